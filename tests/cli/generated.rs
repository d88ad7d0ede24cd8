//! What `kjo generate` makes, and the name of a plugin.

use std::process::Command;

use crate::support::Kjo;

#[test]
fn completions_for_every_shell_know_the_flags() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let done = Kjo::new(["generate", "completions", shell]).run();
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{shell}");
        for word in ["attach", "result-file", "on-interrupt"] {
            assert!(done.text().contains(word), "{shell}: {word}");
        }
        // Nobody starts it by hand.
        assert!(!done.text().contains("Hold a container"), "{shell}");
        if shell == "bash" {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("kjo");
            std::fs::write(&file, done.text()).expect("a file");
            let asked = format!(
                "set -e; . {}; COMP_WORDS=(kjo run --on-int); COMP_CWORD=2; _kjo kjo --on-int run; \
                 printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                file.display()
            );
            let out = Command::new("bash").args(["-c", &asked]).output().expect("bash");
            assert_eq!(String::from_utf8_lossy(&out.stdout), "--on-interrupt\n", "{out:?}");
        }
    }
}

#[test]
fn man_pages_go_into_a_folder_that_is_there() {
    let page = Kjo::new(["generate", "man"]).run();
    assert!(page.code == 0 && page.text().contains(".TH kjo 1"), "{}", page.text());
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().display().to_string();
    Kjo::new(["generate", "man", "--dir", &dir]).run().expect(0, "");
    let run = std::fs::read_to_string(folder.path().join("kjo-run.1")).expect("a page for run");
    assert!(run.contains("result\\-file"), "{run}");
    let nowhere = format!("{dir}/nowhere");
    Kjo::new(["generate", "man", "--dir", &nowhere])
        .run()
        .expect(125, "")
        .expect_said("the man pages cannot be written into");
}

#[test]
fn as_a_plugin_of_kubectl_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("kubectl-kjo");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kjo"), &link).expect("a link");
    let said = Command::new(&link)
        .args(["attach", "--no-such-flag"])
        .output()
        .expect("kjo");
    assert_eq!(said.status.code(), Some(125));
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert!(stderr.contains("Usage: kubectl kjo attach"), "{stderr}");
}
