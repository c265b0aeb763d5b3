//! The `thermochip` command.

fn main() -> std::process::ExitCode {
    thermochip::cli::main()
}
