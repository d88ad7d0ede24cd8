//! The plane of log bytes. They go from the network through a cursor to stdout without ever
//! crossing the driver's loop, which only hears how it goes.

mod ear;
mod lines;
mod output;
mod pump;
mod stream;
mod waiting;

pub use ear::{Ear, Ears};
pub use output::{Output, Pen, Piece, Written};
pub use pump::Read;
pub use stream::{Lanes, Reader, read};
