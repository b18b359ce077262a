//! `linli`: parses the arguments, does what they say, and ends with an exit code.

fn main() -> std::process::ExitCode {
    linli::cli::main()
}
