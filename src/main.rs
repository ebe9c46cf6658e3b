//! The `odonata` binary.

fn main() -> std::process::ExitCode {
    odonata::cli::run()
}
