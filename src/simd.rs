//! Run-time choice of the instruction set: with `lanes`, the only `unsafe` of the crate.
//!
//! A kernel is written once, as plain loops over lanes; [`dispatch`] runs it inside a function compiled for AVX-512 or
//! AVX2 + FMA when the processor has them, and as it is otherwise. Fused multiply-adds are explicit, so all three give the
//! same bits; without FMA hardware they are library calls and slow.

use std::cell::Cell;

/// A computation whose body is inlined into a function with more instructions enabled.
pub trait Kernel {
    /// Runs it; implementations must be `#[inline(always)]`.
    fn run(self);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
fn run_avx512<K: Kernel>(kernel: K) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi2")]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}

/// The instruction sets that [`dispatch`] can choose from, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// Whatever the target guarantees.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

/// The best instruction set of this processor.
pub fn best() -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("fma")
        {
            return InstructionSet::Avx512;
        }
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2")
        {
            return InstructionSet::Avx2;
        }
    }
    InstructionSet::Portable
}

thread_local! {
    /// What this thread's kernels run on: never more than the processor has.
    static CHOSEN: Cell<InstructionSet> = Cell::new(best());
}

/// What this thread's kernels run on.
pub(crate) fn chosen() -> InstructionSet {
    CHOSEN.get()
}

/// Runs `work` with this thread's kernels held to `set`, or to the best below it that the processor has: for tests and
/// benches that compare the paths.
pub fn limited_to<T>(set: InstructionSet, work: impl FnOnce() -> T) -> T {
    let before = CHOSEN.replace(set.min(best()));
    let result = work();
    CHOSEN.set(before);
    result
}

/// Runs `kernel` with the best instruction set: a few nanoseconds beyond the kernel itself.
#[allow(unsafe_code)]
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) {
    match CHOSEN.get() {
        // SAFETY: `CHOSEN` holds nothing above what `best` found, and that has every feature the callee enables.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { run_avx512(kernel) },
        // SAFETY: as above; AVX-512 machines as detected have AVX2.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { run_avx2(kernel) },
        _ => kernel.run(),
    }
}
