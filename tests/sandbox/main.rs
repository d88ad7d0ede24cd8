//! Containers as real processes: they end as in a container runtime, and nothing of them stays behind.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod cluster;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use futures_util::StreamExt as _;
use jiff::Timestamp;
use kjo::sandbox::{
    kubelet::{
        Kubelet, LogOptions, Runtime as _, Settings, Source,
        process::Processes,
        runtime::{ContainerStart, End, Running, Signal},
    },
    resource::Resource,
    store::Key,
    world::World,
};
use nix::{sys::signal::kill, unistd::Pid};
use serde_json::json;
use tempfile::TempDir;

/// A folder that holds the sandbox's root.
struct Place {
    folder: TempDir,
}

/// What became of a container.
struct Done {
    end: End,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn processes(&self) -> Processes {
        let kjo = PathBuf::from(env!("CARGO_BIN_EXE_kjo"));
        Processes::new(kjo, vec!["sandbox-supervisor".into()], self.root())
    }

    async fn start(&self, start: ContainerStart) -> Result<Running, String> {
        let start = ContainerStart {
            uid: "uid".to_owned(),
            container: "c".to_owned(),
            ..start
        };
        self.processes().start(start).await
    }

    /// Runs a shell script to its end.
    async fn sh(&self, script: &str) -> Done {
        let running = self.start(sh(script)).await.expect("a shell");
        let done = done(running).await;
        self.is_clean();
        done
    }

    #[track_caller]
    fn is_clean(&self) {
        let left: Vec<PathBuf> = walk(self.folder.path());
        assert!(left.is_empty(), "{left:?}");
    }
}

fn sh(script: &str) -> ContainerStart {
    command(&["sh", "-c", script])
}

fn command(command: &[&str]) -> ContainerStart {
    ContainerStart {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        ..ContainerStart::default()
    }
}

async fn done(running: Running) -> Done {
    let Running {
        mut output,
        signals: _held,
        end,
    } = running;
    let read = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some((source, bytes)) = output.recv().await {
            match source {
                Source::Stdout => stdout.extend(bytes),
                Source::Stderr => stderr.extend(bytes),
            }
        }
        (stdout, stderr)
    };
    let (end, (stdout, stderr)) = tokio::join!(end, read);
    Done { end, stdout, stderr }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Waits until this holds.
#[track_caller]
fn soon(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not so: {what}");
}

fn lives(pid: &str) -> bool {
    kill(Pid::from_raw(pid.trim().parse().expect("a pid")), None).is_ok()
}

#[tokio::test]
async fn exit_codes_and_signals() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 42", 42),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("kill -SEGV $$", 139),
    ] {
        assert_eq!(Place::new().sh(script).await.end.code, code, "{script}");
    }
}

#[tokio::test]
async fn signals_reach_the_container() {
    for (script, signal, code) in [
        (
            "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done",
            Signal::Term,
            3,
        ),
        ("trap '' TERM; echo up; while :; do sleep 0.05; done", Signal::Kill, 137),
        ("echo up; sleep 1000", Signal::Term, 143),
    ] {
        let place = Place::new();
        let mut running = place.start(sh(script)).await.expect("a shell");
        // Its end is what runs it.
        let up = tokio::select! {
            up = running.output.recv() => up,
            end = &mut running.end => panic!("{script}: {end:?}"),
        };
        assert!(up.is_some());
        running.signals.send(signal).expect("it runs");
        assert_eq!(done(running).await.end.code, code, "{script}");
        place.is_clean();
    }
}

#[tokio::test]
async fn the_environment_is_clean_and_the_folder_its_own() {
    let place = Place::new();
    let mut start = sh("env | sort; pwd; stat -c %a .; cat; echo dirty > file; mkdir -m 0 shut; umask");
    start.env = vec![("A".to_owned(), "b c\n'\"".to_owned())];
    let done = done(place.start(start).await.expect("a shell")).await;
    let out = String::from_utf8(done.stdout).expect("text");
    let work = place.root().join("uid/c/0/work");
    for line in [
        "A=b c",
        &format!("HOME={}", work.display()),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        &format!(
            "KJO_TERMINATION_MESSAGE_PATH={}",
            place.root().join("uid/c/0/termination-log").display()
        ),
        &format!("{}", work.display()),
        "700",
    ] {
        assert!(out.lines().any(|l| l == line), "{line} is not in {out}");
    }
    for foreign in ["CARGO", "USER=", "KUBECONFIG"] {
        assert!(!out.contains(foreign), "{out}");
    }
    place.is_clean();
}

/// Ctrl-C on kjo's terminal, or a kill of its process group, is not for containers.
#[tokio::test]
async fn a_container_is_away_from_kjos_terminal_and_group() {
    let done = Place::new()
        .sh("read -r _ _ _ parent group session terminal _ < /proc/$$/stat; echo $$ $parent $group $session $terminal")
        .await;
    let out = String::from_utf8(done.stdout).expect("text");
    let [own, parent, group, session, terminal] = out.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{out}");
    };
    assert_eq!((group, session, terminal), (own, parent, "0"));
}

#[tokio::test]
async fn a_termination_message_is_read() {
    let place = Place::new();
    let done = place.sh("head -c 5000 /dev/zero | tr '\\0' x > $KJO_TERMINATION_MESSAGE_PATH; echo end >> $KJO_TERMINATION_MESSAGE_PATH").await;
    assert_eq!(done.end.message.len(), 4096);
    assert!(done.end.message.ends_with(b"xend\n"));
}

#[tokio::test]
async fn much_output_arrives_whole() {
    let done = Place::new()
        .sh("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; printf end >&2")
        .await;
    let expected: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    assert!(
        done.stdout == expected.as_bytes(),
        "{} of {} bytes",
        done.stdout.len(),
        expected.len()
    );
    assert_eq!(done.stderr, b"end");
}

#[tokio::test]
async fn what_the_main_process_leaves_over_is_killed() {
    let place = Place::new();
    // Both hold the output open: the end would not come if one of them lived.
    let done = place
        .sh("setsid sh -c 'echo $$; sleep 1000' & (sleep 1000 & echo $!); sleep 0.3; exit 5")
        .await;
    assert_eq!(done.end.code, 5);
    let pids = String::from_utf8(done.stdout).expect("text");
    assert_eq!(pids.lines().count(), 2, "{pids}");
    assert!(!pids.lines().any(lives), "{pids}");
}

#[tokio::test]
async fn the_end_of_kjo_kills_everything_and_removes_the_folder() {
    let place = Place::new();
    let mut running = place
        .start(sh(
            "trap '' TERM HUP INT; setsid sh -c 'echo $$; sleep 1000' & sleep 0.3; echo $$; sleep 1000",
        ))
        .await
        .expect("a shell");
    let mut pids = String::new();
    while pids.lines().count() < 2 {
        tokio::select! {
            Some((_, bytes)) = running.output.recv() => pids.push_str(&String::from_utf8_lossy(&bytes)),
            end = &mut running.end => panic!("{end:?}"),
        }
    }
    assert!(pids.lines().all(lives));
    assert!(place.root().exists());
    // The socket is closed, as the kernel closes it when kjo is killed.
    drop(running);
    soon("all are dead", || !pids.lines().any(lives));
    soon("no folder is left", || !place.root().exists());
    place.is_clean();
}

#[tokio::test]
async fn what_cannot_be_executed() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let plain = file.path().display().to_string();
    for (start, words) in [
        (command(&["/no/such"]), "unable to start container process: exec: \"/no/such\": stat /no/such: no such file or directory".to_owned()),
        (command(&["no-such"]), "unable to start container process: exec: \"no-such\": executable file not found in $PATH".to_owned()),
        (command(&[""]), "unable to start container process: exec: \"\": executable file not found in $PATH".to_owned()),
        (command(&["/etc"]), "unable to start container process: exec: \"/etc\": permission denied".to_owned()),
        (command(&[&plain]), format!("unable to start container process: exec: {plain:?}: permission denied")),
        (command(&[]), "the sandbox does not use images: give the container a command".to_owned()),
        (
            ContainerStart { working_dir: Some("/no/dir".into()), ..sh("pwd") },
            "unable to start container process: error during container init: chdir to cwd (\"/no/dir\") set in config.json failed: no such file or directory".to_owned(),
        ),
        (ContainerStart { working_dir: Some("etc".into()), ..sh("pwd") }, "Cwd must be an absolute path".to_owned()),
    ] {
        let place = Place::new();
        match place.start(start).await {
            Ok(_) => panic!("it started, not: {words}"),
            Err(why) => assert_eq!(why, words),
        }
        place.is_clean();
    }
}

#[tokio::test]
async fn commands_are_looked_up_in_the_containers_path_and_directory() {
    let bin = TempDir::new().expect("a folder");
    let tool = bin.path().join("kjo-tool");
    fs::write(&tool, "#!/bin/sh\necho $0 in $(pwd)\n").expect("a file");
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(&tool)
        .status()
        .expect("chmod");
    let place = Place::new();
    let path = format!("{}:/usr/bin:/bin", bin.path().display());
    let start = ContainerStart {
        env: vec![("PATH".to_owned(), path)],
        working_dir: Some("/".into()),
        ..command(&["kjo-tool"])
    };
    let by_path = done(place.start(start).await.expect("the tool")).await;
    assert_eq!(
        String::from_utf8_lossy(&by_path.stdout),
        format!("{} in /\n", tool.display())
    );
    let start = ContainerStart {
        working_dir: Some(bin.path().into()),
        ..command(&["./kjo-tool"])
    };
    assert_eq!(done(place.start(start).await.expect("the tool")).await.end.code, 0);
}

#[tokio::test]
async fn containers_beside_each_other_do_not_disturb_each_other() {
    let place = Place::new();
    let one = async |attempt| {
        for _ in 0..5 {
            let start = ContainerStart {
                attempt,
                ..sh("echo here > file; exit 7")
            };
            let running = place.start(start).await.expect("a shell");
            assert_eq!(done(running).await.end.code, 7);
        }
    };
    tokio::join!(one(1), one(2), one(3), one(4));
    place.is_clean();
}

#[tokio::test]
async fn a_whole_pod() {
    let place = Place::new();
    let world = World::new(Timestamp::now(), 1, 1000);
    let insert = |resource, namespace, name: &str, object| {
        world
            .insert(Key::new(resource, namespace, name), object, false)
            .expect("room")
    };
    insert(Resource::Namespaces, "", "ns", json!({"metadata": {"name": "ns"}}));
    let map = json!({"metadata": {"name": "cm", "namespace": "ns"}, "data": {"GREETING": "hello"}});
    insert(Resource::ConfigMaps, "ns", "cm", map);
    let pod = json!({
        "kind": "Pod", "metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "status": {"phase": "Pending"},
        "spec": {"restartPolicy": "Never", "containers": [{
            "name": "c", "image": "busybox", "command": ["sh", "-c"], "args": ["echo $(GREETING) from $HOSTNAME; exit 3"],
            "envFrom": [{"configMapRef": {"name": "cm"}}], "terminationMessagePolicy": "FallbackToLogsOnError",
        }]},
    });
    insert(Resource::Pods, "ns", "p", pod);
    let kubelet = Kubelet::new(
        world.clone(),
        std::sync::Arc::new(place.processes()),
        Settings::default(),
    );
    let mut version = world.version();
    let ended = async {
        loop {
            let pod = world.get(&Key::new(Resource::Pods, "ns", "p")).expect("the pod");
            if pod["status"]["phase"] == "Failed" {
                break pod;
            }
            version.changed().await.expect("the world");
        }
    };
    let pod = tokio::select! {
        pod = ended => pod,
        () = kubelet.clone().run() => panic!("the kubelet ended"),
    };
    let state = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (&state["exitCode"], &state["message"]),
        (&json!(3), &json!("hello from p\n"))
    );
    let log = kubelet.log(&pod, &LogOptions::default()).expect("a log");
    assert_eq!(log.collect::<Vec<_>>().await.concat(), b"hello from p\n");
    place.is_clean();
}
