//! The plane of log bytes. They go from the network through a cursor to stdout without ever
//! crossing the driver's loop, which only hears how it goes.

mod lines;
mod output;
mod stream;

pub use output::{Output, Pen, Piece, Written};
pub use stream::{Reader, read};
