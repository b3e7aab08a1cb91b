//! The worker: answers requests until there are no more.

use super::compile::Compiler;
use super::kept::Kept;
use super::measure;
use super::protocol::{Answer, Failure, Request};
use crate::TuneError;
use cnnc_runtime::RuntimeError;
use std::any::Any;
use std::io::{self, BufRead, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of a request.
const MOST_BYTES: u64 = 1 << 20;

/// Reads requests, a line of JSON each, and answers each with one, until there are no more.
pub fn serve(mut requests: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    let mut worker = Worker::default();
    let mut line = vec![];
    loop {
        line.clear();
        if requests.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let answer = if line.len() as u64 == MOST_BYTES && !line.ends_with(b"\n") {
            skip_line(&mut requests)?;
            failed(format!("a request is longer than {MOST_BYTES} bytes"))
        } else if line.trim_ascii().is_empty() {
            continue;
        } else {
            match serde_json::from_slice(&line) {
                Ok(request) => worker.answer_surviving(&request),
                Err(error) => failed(format!("no request: {error}")),
            }
        };
        serde_json::to_writer(&mut answers, &answer)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
}

/// What is kept between requests.
#[derive(Default)]
struct Worker {
    kept: Kept,
    compiler: Compiler,
}

impl Worker {
    /// The answer; a panic is a failure, after which nothing is kept.
    fn answer_surviving(&mut self, request: &Request) -> Answer {
        match catch_unwind(AssertUnwindSafe(|| self.answer(request))) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let out_of_memory = matches!(error, TuneError::Runtime(RuntimeError::Memory { .. }));
                Answer::Failed(Failure { out_of_memory, what: error.to_string() })
            }
            Err(panic) => {
                *self = Worker::default();
                failed(format!("internal error: {}", message(&*panic)))
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Answer, TuneError> {
        Ok(match request {
            Request::Compile(request) => Answer::Compiled(self.compiler.compile(request, &mut self.kept)?),
            Request::Measure(request) => Answer::Measured(measure::measure(request, &mut self.kept)?),
        })
    }
}

fn failed(what: String) -> Answer {
    Answer::Failed(Failure { out_of_memory: false, what })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic")
}

fn skip_line(requests: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = requests.fill_buf()?;
        let (end, used) = match buffer.iter().position(|&b| b == b'\n') {
            Some(at) => (true, at + 1),
            None => (buffer.is_empty(), buffer.len()),
        };
        requests.consume(used);
        if end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(requests: &[u8]) -> Vec<Answer> {
        let mut written = vec![];
        serve(requests, &mut written).unwrap();
        written.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
    }

    #[test]
    fn garbage_is_answered_and_survived() {
        let long = vec![b'x'; MOST_BYTES as usize + 7];
        let requests = [b"\n{\n\"compile\"\n{\"compile\":{}}\n\xff\xfe\n[[[[\n", &long[..], b"\nnull"].concat();
        let answers = answers(&requests);
        assert_eq!(answers.len(), 7);
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Failed(f) if !f.out_of_memory)), "{answers:?}");
    }

    #[test]
    fn what_is_asked_for_in_vain_is_named() {
        let compile = |layer: &str, layout: &str, candidate: &str, isa: &str, backend: &str| {
            format!(
                "{{\"compile\":{{\"layer\":\"{layer}\",\"input\":\"{layout}\",\"output\":\"plain\",\"candidate\":\"{candidate}\",\
                 \"isa\":\"{isa}\",\"backend\":\"{backend}\",\"threads\":1,\"file\":\"/nonexistent/x\"}}}}\n"
            )
        };
        let (conv, isa, cranelift) = ("conv 1x8x6x6 8x8x3x3", "x86-64-v2", "cranelift");
        for (request, what) in [
            (compile("pool 1x8 8x8", "plain", "direct()", isa, cranelift), "unknown operator pool"),
            (compile("# none", "plain", "direct()", isa, cranelift), "one layer is wanted"),
            (compile(conv, "round", "direct()", isa, cranelift), "unknown layout round"),
            (compile(conv, "plain", "direct(", isa, cranelift), "candidate direct("),
            (compile(conv, "plain", "nonesuch(a=1)", isa, cranelift), "there is no such algorithm"),
            (compile(conv, "c4", "direct(mr=1, nv=1)", isa, cranelift), "no such layouts"),
            (compile(conv, "plain", "direct(mr=1, nv=1)", isa, cranelift), "is not legal here"),
            (compile(conv, "plain", "direct_plain(mr=-1)", isa, cranelift), "is not legal here"),
            (compile(conv, "plain", "direct()", "z80", cranelift), "unknown instruction set z80"),
            (compile(conv, "plain", "direct()", isa, "gcc"), "no code generator gcc"),
            (compile(conv, "plain", "direct()", isa, "cranelift 0.0.1"), "no code generator cranelift 0.0.1"),
            (compile(conv, "plain", "conv_loops()", isa, cranelift), "no folder /nonexistent"),
        ] {
            let answers = answers(request.as_bytes());
            let [Answer::Failed(failure)] = &answers[..] else { panic!("{request}: {answers:?}") };
            assert!(failure.what.contains(what), "{request}: {failure:?}");
        }
    }
}
