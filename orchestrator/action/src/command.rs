//! What an action runs, and its key.
//!
//! | field | in the key | why |
//! |---|---|---|
//! | argv, environment, working directory, output paths | yes, in `Command` | they are what the program sees |
//! | input root | yes, by its Merkle digest | every byte that the program can read |
//! | isolation | yes, as salt | a result of a weaker sandbox must never pass for a strong one's |
//! | what a sandbox has beside the inputs: `/etc`, host name, limits … | yes, as a number in the salt | programs can see it |
//! | limits, jobserver, host paths, user, cores, time | no | they must not change a result |

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use xbuild_base::{Action, Blob, Digest, RelPath, Tree};

use crate::message;
use crate::outcome::Isolation;

/// What is run: an argument vector (never a shell string), the whole environment, and what comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program (an absolute path inside the sandbox) and its arguments.
    pub argv: Vec<String>,
    /// The whole environment: nothing else is set, PATH included.
    pub environment: BTreeMap<String, String>,
    /// The working directory, from the input root.
    pub working_directory: RelPath,
    /// Files or directories, from the input root, that are collected afterwards. Their parents are made before
    /// the program starts. One that isn't there afterwards is left out of the result.
    pub outputs: BTreeSet<RelPath>,
}

impl Command {
    /// The encoded `Command` message. Output paths are relative to the working directory, as the API asks.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { argv, environment, working_directory, outputs } = self;
        let mut output_paths: Vec<String> =
            outputs.iter().map(|path| working_directory.relative_to(path)).collect();
        output_paths.sort();
        message::Command {
            arguments: argv.clone(),
            environment_variables: environment
                .iter()
                .map(|(name, value)| message::EnvironmentVariable {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect(),
            working_directory: working_directory.as_str().to_owned(),
            output_paths,
        }
        .encode_to_vec()
    }
}

/// Counts up whenever a sandbox shows programs something else beside their inputs (`exec`'s crate documentation says
/// what that is): results of the one before are no longer met.
const WORLD: u32 = 2;

/// What a key covers beside a command and its inputs: the sandbox. For whatever is remembered of what actions made.
#[must_use]
pub fn salt(isolation: Isolation) -> String {
    format!("xbuild {WORLD} {}", isolation.as_str())
}

/// Everything that an action's key covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionKey {
    /// The digest of the encoded `Command`.
    pub command: Digest<Blob>,
    /// The Merkle digest of the input root.
    pub input_root: Digest<Tree>,
    /// How strong the sandbox is.
    pub isolation: Isolation,
}

impl ActionKey {
    /// The encoded `Action` message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { command, input_root, isolation } = *self;
        message::Action {
            command_digest: Some(command.into()),
            input_root_digest: Some(input_root.into()),
            salt: salt(isolation).into_bytes(),
        }
        .encode_to_vec()
    }

    /// The key: the digest of the encoded `Action` message.
    #[must_use]
    pub fn digest(&self) -> Digest<Action> {
        Digest::of(&self.encode())
    }
}

#[cfg(test)]
mod tests {
    use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
    use prost::Message as _;

    use super::*;

    fn command() -> Command {
        Command {
            argv: vec!["/usr/bin/rustc".into(), "-vV".into()],
            environment: [("PATH".to_owned(), "/usr/bin".to_owned()), ("A".to_owned(), "ü".to_owned())]
                .into(),
            working_directory: RelPath::new("build/ws").unwrap(),
            outputs: [RelPath::new("build/out/x").unwrap(), RelPath::new("build/ws/a").unwrap()].into(),
        }
    }

    #[test]
    fn command_bytes_are_the_remote_execution_apis() {
        let ours = command().encode();
        let theirs = reapi::Command::decode(ours.as_slice()).unwrap();
        assert_eq!(theirs.arguments, ["/usr/bin/rustc", "-vV"]);
        assert_eq!(theirs.environment_variables[0].name, "A");
        assert_eq!(theirs.working_directory, "build/ws");
        assert_eq!(theirs.output_paths, ["../out/x", "a"]);
        assert_eq!(theirs.encode_to_vec(), ours);
    }

    #[test]
    fn action_bytes_are_the_remote_execution_apis() {
        let key = ActionKey {
            command: Digest::of(&command().encode()),
            input_root: Digest::of(b""),
            isolation: Isolation::NoNetworkNamespace,
        };
        let theirs = reapi::Action::decode(key.encode().as_slice()).unwrap();
        assert_eq!(theirs.command_digest.as_ref().unwrap().hash, key.command.to_hex());
        assert_eq!(theirs.input_root_digest.as_ref().unwrap().hash, key.input_root.to_hex());
        assert_eq!(theirs.salt, salt(Isolation::NoNetworkNamespace).as_bytes());
        assert_eq!(theirs.encode_to_vec(), key.encode());
    }

    #[test]
    fn a_weaker_sandbox_has_another_key() {
        let key = |isolation| {
            ActionKey { command: Digest::of(b""), input_root: Digest::of(b""), isolation }.digest()
        };
        assert_ne!(key(Isolation::Full), key(Isolation::None));
        assert_ne!(key(Isolation::NoNetworkNamespace), key(Isolation::None));
    }
}
