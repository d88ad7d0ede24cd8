//! The targets without an engine, on stable Rust: seeds from the tests' corpus, broken at random.
//!
//! `cargo run --release --bin random -- TARGET SECONDS`

use std::{
    env, fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 6] = [
    ("manifest", kjo_fuzz::manifest),
    ("overlay", kjo_fuzz::overlay),
    ("log", kjo_fuzz::log),
    ("markers", kjo_fuzz::markers),
    ("objects", kjo_fuzz::objects),
    ("machine", kjo_fuzz::machine),
];

const LINES: &[&[u8]] = &[
    b"2026-01-01T00:00:00.000000001Z hello\n",
    b"2026-01-01T00:00:00.000000001Z \n2026-01-01T00:00:01Z ::kube_api:xcom={\"a\":1}\n",
    b"::kube_api:xcom={\"a\":[1,2]}\n  ::kube_api:n=v\n",
    b"failed to watch file\n",
];
const OBJECTS: &[&[u8]] = &[
    br#"{"metadata":{"name":"a","uid":"u"},"status":{"conditions":[{"type":"Complete","status":"True"}]}}"#,
    br#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"m"}]},"status":{"phase":"Failed","containerStatuses":[{"name":"m","image":"i","imageID":"","ready":false,"restartCount":2,"state":{"terminated":{"exitCode":7,"finishedAt":"2026-01-01T00:00:00Z"}}}]}}"#,
    br#"{"metadata":{},"involvedObject":{"kind":"Pod","name":"p"},"reason":"BackOff","count":3}"#,
];

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let of = |pieces: &[&[u8]]| pieces.iter().map(|piece| piece.to_vec()).collect();
    match target {
        "log" | "markers" => of(LINES),
        "objects" => of(OBJECTS),
        "machine" => vec![Vec::new()],
        _ => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/manifests/files");
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            files.filter_map(|file| fs::read(file.path()).ok()).collect()
        }
    }
}

fn broken(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => {
                let new: Vec<u8> = (0..random.below(24)).map(|_| random.byte()).collect();
                bytes.splice(at..at, new);
            }
            2 if at < bytes.len() => bytes[at] = random.byte(),
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                bytes.splice(at..at, other[from..].iter().take(200).copied());
            }
            _ => {
                let end = (at + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let found = args.first().and_then(|name| TARGETS.iter().find(|(known, _)| known == name));
    let (Some((name, target)), Some(seconds)) = (found, args.get(1).and_then(|s| s.parse().ok())) else {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: random {} SECONDS", names.join("|"));
        return ExitCode::from(2);
    };
    let seeds = seeds(name);
    let (begun, within) = (Instant::now(), Duration::from_secs(seconds));
    let mut cases = 0_u64;
    while begun.elapsed() < within {
        cases += 1;
        let case = broken(&mut Random(cases), &seeds);
        if std::panic::catch_unwind(|| target(&case)).is_err() {
            eprintln!("{name}: case {cases} breaks its law: {case:?}");
            return ExitCode::FAILURE;
        }
    }
    println!("{name}: {cases} cases in {seconds} s");
    ExitCode::SUCCESS
}
