//! The forms of an answer of `hadiag`: the same verdict in each, and the exit code that goes with it.

use std::process::Output;

use serde_json::Value;

use crate::error::{Error, unexpected};

/// What `hadiag` said of one object.
#[derive(Clone, Debug)]
pub struct Said {
    /// The word.
    pub verdict: String,
    /// The verdict in a sentence.
    pub sentence: String,
    /// The object.
    pub object: String,
    /// What each finding says, and why.
    pub findings: Vec<[String; 2]>,
}

impl Said {
    /// Of `--json`, about one object.
    ///
    /// # Errors
    /// [`Error`] where it is none, or the exit code is another.
    pub fn of(output: &Output) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(&output.stdout);
        let Ok(json) = serde_json::from_str::<Value>(&text) else {
            return unexpected(format!("no JSON: {output:?}"));
        };
        let report = &json["reports"][0];
        let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let said = Self {
            verdict: of(&report["verdict"]),
            sentence: of(&report["sentence"]),
            object: of(&report["object"]),
            findings: findings
                .iter()
                .map(|finding| [of(&finding["what"]), of(&finding["why"])])
                .collect(),
        };
        said.ends(output, said.codes()[0])?;
        Ok(said)
    }

    /// Whether one of the findings says this, or gives it as reason.
    #[must_use]
    pub fn says(&self, part: &str) -> bool {
        self.findings
            .iter()
            .flatten()
            .any(|text| text.contains(part))
    }

    /// Asks for the other three forms: each begins as it should, and ends with the right code.
    ///
    /// # Errors
    /// [`Error`] where one differs.
    pub fn agrees(
        &self,
        mut ask: impl FnMut(Option<&str>) -> Result<Output, Error>,
    ) -> Result<(), Error> {
        let [usual, mon] = self.codes();
        let label = self.verdict.to_uppercase();
        let failing = if mon == 0 { "" } else { &self.object };
        let text = format!("{}: {}: {}", self.object, self.verdict, self.sentence);
        let nagios = format!(" {label} - {}: {}", self.object, self.sentence);
        let forms = [
            (None, usual, text),
            (Some("--mon"), mon, failing.to_owned()),
            (Some("--nagios"), usual, nagios),
        ];
        for (form, code, first) in forms {
            let output = ask(form)?;
            self.ends(&output, code)?;
            let text = String::from_utf8_lossy(&output.stdout);
            let line = text.lines().next().unwrap_or_default();
            let fits = match form {
                Some("--nagios") => line.contains(&first),
                _ => line == first,
            };
            if !fits {
                return unexpected(format!("{form:?} begins {line:?}, not {first:?}"));
            }
        }
        Ok(())
    }

    /// Of most forms, and of Mon.
    fn codes(&self) -> [i32; 2] {
        match &*self.verdict {
            "ok" => [0, 0],
            "warning" => [1, 0],
            "critical" => [2, 1],
            _ => [3, 3],
        }
    }

    fn ends(&self, output: &Output, code: i32) -> Result<(), Error> {
        match output.status.code() == Some(code) {
            true => Ok(()),
            false => unexpected(format!("{}: {output:?}", self.verdict)),
        }
    }
}
