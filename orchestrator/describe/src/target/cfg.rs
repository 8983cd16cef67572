//! What a triple says of its target, without any compiler: which `cfg(…)` hold for it.

use cargo_platform::{Cfg, Ident, Platform};
use cfg_expr::targets::{Endian, TargetInfo, get_builtin_target_by_triple};

use super::TargetSpec;
use crate::problem::{Kind, Problem};

impl TargetSpec {
    /// Whether something that is said for a triple or a `cfg(…)` holds for this target. Decided by the keys that rustc's
    /// own list has for the triple: `unix`, `windows` and `target_os`, `target_arch`, `target_env`, `target_abi`,
    /// `target_vendor`, `target_family`, `target_pointer_width`, `target_endian`.
    ///
    /// # Errors
    /// When a `cfg(…)` is asked for and rustc has no such triple.
    pub fn fits(&self, platform: &Platform) -> Result<bool, Problem> {
        let triple = self.triple.as_str();
        let cfg = match (platform, get_builtin_target_by_triple(triple)) {
            (Platform::Cfg(_), None) => {
                let message =
                    format!("whether `{platform}` holds for {triple} isn't known: rustc has no such target");
                let help = format!("say it for the triple: [target.{triple}]");
                return Err(Problem::new(Kind::UnknownTarget, message).help(help));
            }
            (Platform::Name(_), _) => Vec::new(),
            (Platform::Cfg(_), Some(info)) => cfg(info),
        };
        Ok(platform.matches(triple, &cfg))
    }
}

/// The cfg of a target, as far as its triple decides it.
fn cfg(info: &TargetInfo) -> Vec<Cfg> {
    let ident = |name: &str| Ident { name: name.to_owned(), raw: false };
    let pair = |name: &str, value: &str| Cfg::KeyPair(ident(name), value.to_owned());
    let endian = match info.endian {
        Endian::big => "big",
        Endian::little => "little",
    };
    let mut cfg = vec![
        pair("target_arch", info.arch.as_str()),
        pair("target_endian", endian),
        pair("target_pointer_width", &info.pointer_width.to_string()),
        // Where a target has none, rustc says so with an empty value.
        pair("target_os", info.os.as_ref().map_or("none", |os| os.as_str())),
        pair("target_env", info.env.as_ref().map_or("", |env| env.as_str())),
        pair("target_abi", info.abi.as_ref().map_or("", |abi| abi.as_str())),
        pair("target_vendor", info.vendor.as_ref().map_or("unknown", |vendor| vendor.as_str())),
    ];
    for family in info.families.iter() {
        cfg.push(Cfg::Name(ident(family.as_str())));
        cfg.push(pair("target_family", family.as_str()));
    }
    cfg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(triple: &str, condition: &str) -> bool {
        let platform: Platform = condition.parse().unwrap();
        platform.matches(triple, &cfg(get_builtin_target_by_triple(triple).unwrap()))
    }

    #[test]
    fn a_triple_decides_what_people_ask_of_a_target() {
        for (triple, condition, expected) in [
            ("x86_64-unknown-linux-musl", "cfg(unix)", true),
            ("x86_64-unknown-linux-musl", "cfg(target_env = \"gnu\")", false),
            ("x86_64-unknown-linux-musl", "cfg(all(target_os = \"linux\", target_env = \"musl\"))", true),
            ("x86_64-pc-windows-gnu", "cfg(windows)", true),
            ("x86_64-pc-windows-gnu", "cfg(target_family = \"windows\")", true),
            ("x86_64-pc-windows-gnu", "cfg(not(target_vendor = \"pc\"))", false),
            ("armv7-unknown-linux-gnueabihf", "cfg(target_abi = \"eabihf\")", true),
            ("armv7-unknown-linux-gnueabihf", "cfg(target_pointer_width = \"64\")", false),
            ("s390x-unknown-linux-gnu", "cfg(target_endian = \"big\")", true),
            ("aarch64-unknown-linux-gnu", "cfg(any(target_arch = \"aarch64\", windows))", true),
        ] {
            assert_eq!(holds(triple, condition), expected, "{triple} {condition}");
        }
    }
}
