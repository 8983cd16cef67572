//! The program that the kernel runs before each system call: it only tells those of the table from the rest.
//!
//! Nothing is forbidden and nothing answered otherwise: an observed program sees what another one sees.

use nix::libc::{self, sock_filter};

use super::calls;

/// How the kernel names this architecture (`AUDIT_ARCH_…`); 0, which is none's name, where calls have other numbers
/// than this module knows: then every call is told, and nothing known.
pub(super) const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") {
    0xC000_003E
} else if cfg!(target_arch = "aarch64") {
    0xC000_00B7
} else {
    0
};

/// Where in `struct seccomp_data` the number is, and the architecture.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// The filter's program.
///
/// Calls by another architecture's numbers (32-bit, and x32, whose numbers begin at 2³⁰) and calls that are newer than
/// the table are told, too.
pub(super) fn program() -> Vec<sock_filter> {
    let numbers: Vec<u32> = calls::told().filter_map(|number| u32::try_from(number).ok()).collect();
    // From the instruction after the one that jumps: the remaining comparisons, and the instruction that allows.
    let tell = |remaining: usize| u8::try_from(remaining + 1).unwrap_or(u8::MAX);
    let count = numbers.len();
    let mut program = vec![
        load(ARCH),
        jump(libc::BPF_JEQ, ARCHITECTURE, 0, tell(count + 2)),
        load(NUMBER),
        jump(libc::BPF_JGT, calls::NEWEST, tell(count), 0),
    ];
    for (index, number) in numbers.into_iter().enumerate() {
        program.push(jump(libc::BPF_JEQ, number, tell(count - index - 1), 0));
    }
    program.push(end(libc::SECCOMP_RET_ALLOW));
    program.push(end(libc::SECCOMP_RET_USER_NOTIF));
    program
}

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn jump(condition: u32, value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | condition | libc::BPF_K, value, then, otherwise)
}

fn end(action: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

/// All codes are less than 2¹⁶.
fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do with a call.
    fn run(program: &[sock_filter], architecture: u32, number: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let code = u32::from(code);
            at += 1;
            if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                value = if k == NUMBER { number } else { architecture };
            } else if code == libc::BPF_RET | libc::BPF_K {
                return k;
            } else {
                let holds = if code & 0xf0 == libc::BPF_JEQ { value == k } else { value > k };
                at += usize::from(if holds { jt } else { jf });
            }
        }
    }

    #[test]
    fn exactly_the_tables_calls_are_told_and_all_that_it_does_not_know() {
        let program = program();
        let told: Vec<_> = calls::told().collect();
        for number in 0..=calls::NEWEST {
            let expected = if told.contains(&number.into()) {
                libc::SECCOMP_RET_USER_NOTIF
            } else {
                libc::SECCOMP_RET_ALLOW
            };
            assert_eq!(run(&program, ARCHITECTURE, number), expected, "{number}");
        }
        for number in [calls::NEWEST + 1, 0x4000_0000, 0x4000_0000 + 257, u32::MAX] {
            assert_eq!(run(&program, ARCHITECTURE, number), libc::SECCOMP_RET_USER_NOTIF, "{number}");
        }
        let getpid = u32::try_from(libc::SYS_getpid).unwrap();
        assert_eq!(run(&program, 0x4000_0003, getpid), libc::SECCOMP_RET_USER_NOTIF, "32-bit");
    }
}
