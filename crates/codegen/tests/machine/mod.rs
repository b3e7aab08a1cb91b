//! Runs emitted code in this process: an executable mapping and calls by the kernels' ABI.

use cnnc_codegen::Code;
use cnnc_ir::kernel::{Kernel, Role};
use cnnc_tensor::{AlignedBytes, Tensor};

/// Code mapped executable.
pub struct Machine {
    address: *mut u8,
    bytes: usize,
    entries: Vec<u64>,
}

impl Machine {
    /// Maps a copy of the code.
    pub fn load(code: &Code) -> Machine {
        let bytes = code.bytes.len().max(1);
        // SAFETY: a fresh anonymous mapping; written before it becomes executable, and as long as the code.
        unsafe {
            let (writable, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let address = libc::mmap(std::ptr::null_mut(), bytes, writable, flags, -1, 0);
            assert_ne!(address, libc::MAP_FAILED);
            std::ptr::copy_nonoverlapping(code.bytes.as_ptr(), address.cast(), code.bytes.len());
            assert_eq!(libc::mprotect(address, bytes, libc::PROT_READ | libc::PROT_EXEC), 0);
            Machine { address: address.cast(), bytes, entries: code.entries.clone() }
        }
    }

    /// Calls a kernel by its number.
    ///
    /// # Safety
    /// The code must be right for this machine, the pointers valid for what the kernel does with them.
    pub unsafe fn call(&self, kernel: usize, buffers: &[*mut u8], begin: usize, end: usize, scratch: *mut u8) {
        type Entry = unsafe extern "C" fn(*const *mut u8, i64, i64, *mut u8);
        // SAFETY: an entry point of the mapped code, of that type by the kernels' ABI.
        unsafe {
            let entry: Entry = std::mem::transmute(self.address.add(self.entries[kernel] as usize));
            entry(buffers.as_ptr(), begin as i64, end as i64, scratch);
        }
    }

    /// Runs the part `begin..end` of a kernel on tensors, one for each buffer that is not scratch. Each lies at an
    /// address that is aligned to its element only.
    #[allow(dead_code)]
    pub fn run(&self, number: usize, kernel: &Kernel, tensors: &mut [Tensor], begin: usize, end: usize) {
        let buffers: Vec<_> = kernel.buffers.iter().filter(|b| b.role != Role::Scratch).collect();
        assert_eq!(buffers.len(), tensors.len());
        let mut copies: Vec<AlignedBytes> = vec![];
        for (buffer, tensor) in buffers.iter().zip(&*tensors) {
            let mut copy = AlignedBytes::zeroed(tensor.bytes().len() + 64);
            let shift = buffer.dtype.size();
            copy[shift..shift + tensor.bytes().len()].copy_from_slice(tensor.bytes());
            copies.push(copy);
        }
        let pointers: Vec<*mut u8> =
            copies.iter_mut().zip(&buffers).map(|(c, b)| c[b.dtype.size()..].as_mut_ptr()).collect();
        let mut scratch = AlignedBytes::zeroed(kernel.scratch_bytes());
        scratch.fill(0xff);
        // SAFETY: the buffers are as long as the kernel says, and the caller emitted the code for this machine.
        unsafe { self.call(number, &pointers, begin, end, scratch.as_mut_ptr()) };
        for ((copy, buffer), tensor) in copies.iter().zip(&buffers).zip(tensors) {
            let shift = buffer.dtype.size();
            let bytes = tensor.bytes().len();
            assert!(copy[..shift].iter().chain(&copy[shift + bytes..]).all(|&b| b == 0), "{}: outside", buffer.name);
            tensor.bytes_mut().copy_from_slice(&copy[shift..shift + bytes]);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `load`, unmapped once.
        unsafe { libc::munmap(self.address.cast(), self.bytes) };
    }
}
