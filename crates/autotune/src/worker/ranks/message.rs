//! What ranks tell each other: one JSON object a line.
//!
//! ```text
//! 1 > {"hello":{"host":"b","able":{"Ok":{"setting":{"isa":"x86-64-v3",..},"compilers":7,..}}}}
//!   < {"compile":{"ticket":7,"job":{"layer":"matmul 1x8 8x16","candidate":"gemm(mr=1, nv=1)",..}}}
//! 1 > {"done":{"ticket":7,"ended":{"compiled":{"code":"7c1f..",..}},"seconds":0.3,"slow":false,"said":""}}
//!   < {"measure":{"ticket":8,"artifact":{"id":7,"job":{..}},"incumbent":null,"threads":1,"seconds":0.05,..}}
//! 1 > {"done":{"ticket":8,"ended":{"measured":{..}},..}}
//!   < {"forget":{"artifact":7}}
//!   < "end"
//! ```

use crate::worker::pool::CompileJob;
use crate::worker::protocol::{Compiled, Measured};
use crate::{Outcome, Setting};
use serde::{Deserialize, Serialize};

/// What the first rank tells another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::worker) enum Order {
    /// Compile a candidate. The artifact has the ticket's number.
    Compile { ticket: u64, job: CompileJob },
    /// Check and time a candidate, compiled first where that is needed.
    Measure {
        ticket: u64,
        artifact: Held,
        incumbent: Option<Box<Held>>,
        threads: usize,
        seconds: f64,
        stop_above: Option<f64>,
        max_error: f64,
    },
    /// An artifact is not needed any more.
    Forget { artifact: u64 },
    /// There is nothing more to do.
    End,
}

/// An artifact that a rank has, or compiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::worker) struct Held {
    pub id: u64,
    pub job: CompileJob,
}

/// What another rank tells the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::worker) enum Report {
    /// It is there.
    Hello(Hello),
    /// A job has ended.
    Done(Done),
}

/// A rank presents itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The name of its machine.
    pub host: String,
    /// What it can do, or why nothing.
    pub able: Result<Able, String>,
}

/// What a rank can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Able {
    /// What its code is made for and by.
    pub setting: Setting,
    /// Processes that compile.
    pub compilers: usize,
    /// Whether nothing may be compiled there while something is measured.
    pub alone: bool,
    /// Whether it shares cores with other ranks, for want of cores.
    pub crowded: bool,
}

/// What has become of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::worker) struct Done {
    pub ticket: u64,
    pub ended: Ended,
    pub seconds: f64,
    pub slow: bool,
    pub said: String,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::worker) enum Ended {
    Compiled(Compiled),
    Measured(Measured),
    Failed(Outcome),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let job = CompileJob {
            layer: "matmul 1x8 8x16".into(),
            input: "plain".into(),
            output: "plain".into(),
            candidate: "gemm(mr=1, nv=1)".into(),
            isa: "x86-64-v3".into(),
            backend: "cranelift".into(),
            threads: 1,
        };
        let held = |id| Held { id, job: job.clone() };
        let measure = |stop_above| Order::Measure {
            ticket: 9,
            artifact: held(7),
            incumbent: Some(Box::new(held(3))),
            threads: 1,
            seconds: 0.1 + 0.2,
            stop_above,
            max_error: 1e-4,
        };
        let orders = [
            Order::Compile { ticket: 7, job: job.clone() },
            measure(Some(1.25)),
            measure(None),
            Order::Forget { artifact: 7 },
            Order::End,
        ];
        for order in orders {
            let line = serde_json::to_string(&order).unwrap();
            assert_eq!((serde_json::from_str::<Order>(&line).unwrap(), line.contains('\n')), (order, false));
        }
        let done = |ended| Report::Done(Done { ticket: 7, ended, seconds: 0.5, slow: true, said: "a\nb".into() });
        let reports = [
            Report::Hello(Hello { host: "b".into(), able: Err("no LLVM".into()) }),
            done(Ended::Failed(Outcome::NotCompiled("no".into()))),
            done(Ended::Failed(Outcome::TimedOut)),
        ];
        for report in reports {
            let line = serde_json::to_string(&report).unwrap();
            assert_eq!((serde_json::from_str::<Report>(&line).unwrap(), line.contains('\n')), (report, false));
        }
    }
}
