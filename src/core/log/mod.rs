//! How a container's log is read to its end over connections that break: the place in the log
//! ([`cursor`], which knows by [`memory`] what was written before), and what to do when a stream
//! has ended ([`follow`]). Which logs are read at all is the user's [`choice`].

pub mod choice;
pub mod cursor;
pub mod follow;
pub mod hash;
pub mod memory;
pub mod stamp;
