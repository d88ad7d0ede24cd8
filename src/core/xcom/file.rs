//! The file `return.json` as it comes back: as the main container's termination message, or from the log of
//! a sidecar that prints it.

use serde_json::Value;

/// Where the file is in the container. The place and the name are those of Airflow's `KubernetesPodOperator`.
pub const FOLDER: &str = "/airflow/xcom";

/// The file.
pub const FILE: &str = "/airflow/xcom/return.json";

/// The sidecar's name.
pub const SIDECAR: &str = "kjo-xcom";

/// What the sidecar prints before and after the file, and where there is none.
pub const BEGIN: &str = "kjo-xcom begin";
/// See [`BEGIN`].
pub const END: &str = "kjo-xcom end";
/// See [`BEGIN`].
pub const NONE: &str = "kjo-xcom none";

/// A file that is larger is not read: Airflow's database would not take it either.
pub const LARGEST: usize = 16 * 1024 * 1024;

/// What the kubelet reads of a termination message.
const LONGEST_MESSAGE: usize = 4096;

/// How the file is brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The main container's termination message, of at most 4096 bytes.
    Termination,
    /// A sidecar's log.
    Sidecar,
}

impl Source {
    /// The word of the command line and of the result file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Termination => "termination",
            Self::Sidecar => "sidecar",
        }
    }
}

/// What a file said.
pub type Read = Result<Option<Value>, String>;

/// Reads a termination message; an empty one is no file.
///
/// # Errors
/// It is not JSON, in words that name no value.
pub fn termination(message: &str) -> Read {
    if message.trim().is_empty() {
        return Ok(None);
    }
    // The kubelet hands over the end of a longer file: it may look like a value.
    let read = if message.len() >= LONGEST_MESSAGE {
        Err(format!("is not shorter than {LONGEST_MESSAGE} bytes"))
    } else {
        parsed(message.as_bytes())
    };
    read.map_err(|why| {
        format!(
            "{FILE} {why}; a termination message holds less than {LONGEST_MESSAGE} bytes (fewer in pods of more than \
             three containers): use --xcom sidecar for larger values"
        )
    })
}

/// Reads the log of the sidecar.
///
/// # Errors
/// It is not whole, or the file is not JSON.
pub fn sidecar(log: &[u8]) -> Read {
    let text = log.strip_suffix(b"\n").unwrap_or(log);
    if text == NONE.as_bytes() {
        return Ok(None);
    }
    let file = text
        .strip_prefix(BEGIN.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"\n"))
        .and_then(|rest| rest.strip_suffix(END.as_bytes()));
    let Some(file) = file else {
        return Err(if log.len() >= LARGEST {
            format!("{FILE} is larger than {LARGEST} bytes")
        } else if log.is_empty() {
            format!("the container {SIDECAR} has not printed {FILE}: it was ended before it could, or its log is lost")
        } else {
            format!("the log of the container {SIDECAR}, which holds {FILE}, is not whole")
        });
    };
    if file.trim_ascii().is_empty() {
        return Ok(None);
    }
    parsed(file).map_err(|why| format!("{FILE} {why}"))
}

fn parsed(text: &[u8]) -> Read {
    serde_json::from_slice(text).map(Some).map_err(|e| match e.classify() {
        serde_json::error::Category::Eof => "is JSON that ends too early".to_owned(),
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
            format!("is not JSON: see its line {}, column {}", e.line(), e.column())
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn termination_messages() {
        assert_eq!(termination(""), Ok(None));
        assert_eq!(termination(" \n"), Ok(None));
        assert_eq!(termination("{\"a\": 1}\n"), Ok(Some(json!({"a": 1}))));
        assert_eq!(termination("null"), Ok(Some(Value::Null)), "a value like any other");
        let long = "1".repeat(LONGEST_MESSAGE);
        let errors = ["{\"a\": \"secr", "secret", &long].map(|text| termination(text).unwrap_err());
        insta::assert_snapshot!(errors.join("\n"), @r"
        /airflow/xcom/return.json is JSON that ends too early; a termination message holds less than 4096 bytes (fewer in pods of more than three containers): use --xcom sidecar for larger values
        /airflow/xcom/return.json is not JSON: see its line 1, column 1; a termination message holds less than 4096 bytes (fewer in pods of more than three containers): use --xcom sidecar for larger values
        /airflow/xcom/return.json is not shorter than 4096 bytes; a termination message holds less than 4096 bytes (fewer in pods of more than three containers): use --xcom sidecar for larger values
        ");
    }

    #[test]
    fn logs_of_the_sidecar() {
        let framed = |text: &str| sidecar(format!("{BEGIN}\n{text}\n{END}\n").as_bytes());
        assert_eq!(sidecar(b"kjo-xcom none\n"), Ok(None));
        assert_eq!(framed(""), Ok(None));
        assert_eq!(framed("{\n  \"a\": 1\n}\n"), Ok(Some(json!({"a": 1}))));
        assert_eq!(framed("\"kjo-xcom end\""), Ok(Some(json!("kjo-xcom end"))));
        let cut = [
            &b""[..],
            b"kjo-xcom begin\n{\"a\": 1}",
            b"{\"a\": 1}\nkjo-xcom end\n",
            b"sh: not found\n",
        ];
        let mut errors: Vec<_> = cut.iter().map(|log| sidecar(log).unwrap_err()).collect();
        errors.push(framed("oops").unwrap_err());
        insta::assert_snapshot!(errors.join("\n"), @r"
        the container kjo-xcom has not printed /airflow/xcom/return.json: it was ended before it could, or its log is lost
        the log of the container kjo-xcom, which holds /airflow/xcom/return.json, is not whole
        the log of the container kjo-xcom, which holds /airflow/xcom/return.json, is not whole
        the log of the container kjo-xcom, which holds /airflow/xcom/return.json, is not whole
        /airflow/xcom/return.json is not JSON: see its line 1, column 1
        ");
    }
}
