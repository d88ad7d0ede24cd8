//! The `kjo` program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kjo::main(std::env::args_os(), &|name| std::env::var(name).ok())
}
