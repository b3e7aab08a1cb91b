//! Properties of random kernels: they verify, their text reads back, and the interpreter runs them.

use cnnc_ir::kernel::random::{random_kernel, random_tensor};
use cnnc_ir::kernel::{Role, interpret_all, parse_kernel, parse_kernels, verify};
use proptest::prelude::*;

/// Cases of a property: as usual, or as a long run says.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(1000)) })]

    #[test]
    fn random_kernels_verify_read_back_and_run(choices in proptest::collection::vec(any::<u8>(), 0..500), seed: u64) {
        let kernel = random_kernel(&choices);
        let text = kernel.to_string();
        prop_assert_eq!(verify(&kernel), Ok(()), "{}", text);
        prop_assert_eq!(parse_kernel(&text), Ok(kernel.clone()), "{}", text);
        let outer = kernel.buffers.iter().filter(|buffer| buffer.role != Role::Scratch);
        let mut tensors: Vec<_> = outer.map(|buffer| random_tensor(buffer, seed)).collect();
        prop_assert_eq!(interpret_all(&kernel, &mut tensors), Ok(()), "{}", text);
    }

    #[test]
    fn garbage_is_an_error(text in "[ -~\n]{0,300}") {
        let _ = parse_kernels(&text);
    }

    /// Lines of a real text dropped, doubled, swapped and cut: an error or a kernel, which the verifier then judges.
    #[test]
    fn damaged_texts_never_panic(
        choices in proptest::collection::vec(any::<u8>(), 0..300),
        edits in proptest::collection::vec((0usize..4, any::<u16>(), any::<u16>()), 1..4),
    ) {
        let text = random_kernel(&choices).to_string();
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        for (edit, a, b) in edits {
            let (a, b) = (usize::from(a) % lines.len(), usize::from(b));
            match edit {
                0 if lines.len() > 1 => drop(lines.remove(a)),
                1 => lines.insert(b % lines.len(), lines[a].clone()),
                2 => { let b = b % lines.len(); lines.swap(a, b) }
                _ => { let cut = b % (lines[a].len() + 1); lines[a].truncate(cut) }
            }
        }
        if let Ok(kernel) = parse_kernel(&lines.join("\n")) {
            let _ = verify(&kernel);
        }
    }
}
