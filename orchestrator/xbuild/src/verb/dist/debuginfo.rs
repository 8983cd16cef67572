//! Programs without their debugging information, and that by itself, as GDB's manual has it ("Debugging Information in
//! Separate Files"): a program names the file, which is found where it lies beside the program.

use std::collections::BTreeMap;

use xbuild_action::{Command, File, InputRoot, Output};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_output::has_debuginfo;
use xbuild_plan::places::place;
use xbuild_plan::planning::environment;

use crate::error::XbuildError;
use crate::work::Work;

/// It knows the files of all targets.
const PROGRAM: &str = "/usr/bin/llvm-objcopy";
/// Where it runs.
const FOLDER: &str = "build/debuginfo";
/// Where it leaves the program, from there.
const STRIPPED: &str = "stripped";

/// Takes programs apart.
pub(super) struct Splitter<'s> {
    work: &'s Work<'s>,
    /// The sandbox's root.
    layers: Vec<Digest<Tree>>,
}

/// A program that was taken apart.
pub(super) struct Split {
    pub(super) program: File,
    /// The name of the file with its debugging information, and the file.
    pub(super) debuginfo: (RelPath, File),
}

impl<'s> Splitter<'s> {
    /// Fetches what the sandbox needs.
    pub(super) fn new(work: &'s Work<'s>) -> Result<Self, XbuildError> {
        Ok(Self { work, layers: work.host_layers()? })
    }

    /// Takes a program apart; none where it has no debugging information.
    pub(super) fn split(&self, name: &RelPath, program: File) -> Result<Option<Split>, XbuildError> {
        if !has_debuginfo(self.work.store(), program)? {
            return Ok(None);
        }
        let debug = RelPath::new(format!("{name}.debug"))
            .map_err(|error| XbuildError::user(format!("`{name}`: {error}"), "rename the program"))?;
        let stripped = place(STRIPPED).join(name);
        let inputs = BTreeMap::from([(name, program)]);
        let debuginfo = self.copy(&["--only-keep-debug", name.as_str(), debug.as_str()], &inputs, &debug)?;
        // The link has a checksum of the other file.
        let link = format!("--add-gnu-debuglink={debug}");
        let inputs = BTreeMap::from([(name, program), (&debug, debuginfo)]);
        let arguments = ["--strip-debug", &link, name.as_str(), stripped.as_str()];
        let program = File { executable: true, ..self.copy(&arguments, &inputs, &stripped)? };
        Ok(Some(Split { program, debuginfo: (debug, debuginfo) }))
    }

    /// Runs the program; the file that it makes.
    fn copy(
        &self,
        arguments: &[&str],
        files: &BTreeMap<&RelPath, File>,
        made: &RelPath,
    ) -> Result<File, XbuildError> {
        let folder = place(FOLDER);
        let inputs = InputRoot {
            layers: self.layers.clone(),
            mounts: BTreeMap::new(),
            files: files.iter().map(|(path, file)| (folder.join(path), *file)).collect(),
            directories: [folder.clone(), folder.join(&place(STRIPPED))].into(),
        };
        let command = Command {
            argv: [PROGRAM].iter().chain(arguments).map(|&argument| argument.to_owned()).collect(),
            environment: environment(&[]),
            working_directory: folder.clone(),
            outputs: [folder.join(made)].into(),
        };
        let what = format!("the debugging information of {made}");
        let result = self.work.engine().run_one(&what, &command, &inputs)?;
        match result.outputs.get(&folder.join(made)) {
            Some(Output::File(file)) => Ok(File { executable: false, ..*file }),
            Some(Output::Tree(_)) | None => Err(XbuildError::user(
                format!("{PROGRAM} ended well, and has not made `{made}`"),
                "take `split-debuginfo` away",
            )),
        }
    }
}
