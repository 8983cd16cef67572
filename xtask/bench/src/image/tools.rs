//! Other people's tools, out of Debian's pinned packages: buildah and a registry. They run on the host as they are,
//! with the libraries of their own packages, and without a daemon.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::layout::Layout;
use super::{Figures, Stored};
use crate::error::Error;
use crate::measure::Sample;
use crate::process::call;

/// The component of `toolchains.toml`.
pub(crate) const COMPONENT: &str = "oci-tools";

/// How long the registry may take until it listens, and until it has written down what it was asked.
const PATIENCE: Duration = Duration::from_secs(20);

const LOOK: Duration = Duration::from_millis(10);

/// What trusts every image: nothing is fetched.
const POLICY: &str = "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n";

/// Where the component lies.
#[derive(Debug, Clone)]
pub(crate) struct Tools(pub(crate) PathBuf);

impl Tools {
    /// A tool that sees nothing of the user's configuration: `home` is its home.
    fn command(&self, through: &[&str], tool: &str, home: &Path) -> Command {
        let tool = self.0.join("usr/bin").join(tool);
        let mut words = through.iter().map(std::ffi::OsStr::new).chain([tool.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = ["usr/lib", "lib"].map(|folder| self.0.join(folder).join(&machine));
        let libraries = libraries.map(|folder| folder.display().to_string()).join(":");
        command.args(words).env_clear().current_dir(home);
        command.env("HOME", home).env("TMPDIR", home).env("LD_LIBRARY_PATH", libraries);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

/// buildah with storage of its own.
#[derive(Debug)]
pub(crate) struct Buildah<'t> {
    tools: &'t Tools,
    home: PathBuf,
}

/// The container that an image is made of.
const CONTAINER: &str = "app";

impl<'t> Buildah<'t> {
    /// With its storage in `home`, which isn't there yet.
    pub(crate) fn new(tools: &'t Tools, home: PathBuf) -> Result<Self, Error> {
        fs_err::create_dir_all(&home)?;
        fs_err::write(home.join("policy.json"), POLICY)?;
        Ok(Self { tools, home })
    }

    /// Its version.
    pub(crate) fn version(&self) -> Result<String, Error> {
        let said = call(self.command().arg("--version"), None)?.stdout;
        // buildah version 1.28.2 (image-spec …
        Ok(said.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
    }

    /// Makes an image of a program and nothing else, and writes it to a layout. What tidies up is not counted.
    pub(crate) fn image(&self, program: &Path, stored: Stored) -> Result<Figures, Error> {
        let layout = self.home.join("layout");
        let [policy, destination] = [self.home.join("policy.json"), layout.clone()];
        let paths = [program, policy.as_path(), destination.as_path()];
        let [program, policy, destination] = paths.map(|path| path.display().to_string());
        let destination = format!("oci:{destination}:latest");
        let calls: [&[&str]; 4] = [
            &["from", "--name", CONTAINER, "scratch"],
            &["copy", "-q", CONTAINER, &program, "/bin/carrier"],
            &["config", "--entrypoint", "[\"/bin/carrier\"]", CONTAINER],
            &["commit", "-q", stored.of_buildah(), "--signature-policy", &policy, CONTAINER, &destination],
        ];
        let run = |arguments: &&[&str]| -> Result<Sample, Error> {
            Ok(call(self.command().args(*arguments), None)?.sample)
        };
        let sample = calls.iter().map(run).sum::<Result<Sample, Error>>()?;
        call(self.command().args(["rm", CONTAINER]), None)?;
        let size = Layout::read(&layout)?.application().map_or(0, |layer| layer.size);
        fs_err::remove_dir_all(&layout)?;
        Ok(Figures { sample, layer: size })
    }

    fn command(&self) -> Command {
        // Who is not root is so in a user namespace: what buildah would arrange itself, with ranges of users that
        // not every machine has set aside.
        let is_root = rustix::process::geteuid().is_root();
        let through: &[&str] =
            if is_root { &[] } else { &["unshare", "--user", "--map-root-user", "--mount"] };
        let mut command = self.tools.command(through, "buildah", &self.home);
        command.env("BUILDAH_ISOLATION", "chroot");
        if !is_root {
            let user = rustix::process::geteuid().as_raw().to_string();
            command.env("_CONTAINERS_USERNS_CONFIGURED", "done").env("_CONTAINERS_ROOTLESS_UID", user);
        }
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.home.join("root"));
        command.arg("--runroot").arg(self.home.join("run"));
        command
    }
}

/// Debian's docker-registry on loopback. It ends with this value.
#[derive(Debug)]
pub(crate) struct Registry {
    process: Child,
    /// What it was asked, a line a request.
    log: PathBuf,
    /// `127.0.0.1:40000`
    address: String,
}

impl Registry {
    /// Starts one with its storage in `home`, which isn't there yet.
    pub(crate) fn start(tools: &Tools, home: &Path) -> Result<Self, Error> {
        fs_err::create_dir_all(home)?;
        let [configuration, log, said] = ["registry.yml", "log", "said"].map(|name| home.join(name));
        let storage = home.join("storage");
        // It takes a port that is free, and says which.
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: \"{}\"\n\
             http:\n  addr: 127.0.0.1:0\n",
            storage.display()
        );
        fs_err::write(&configuration, text)?;
        let mut command = tools.command(&[], "docker-registry", home);
        command.arg("serve").arg(&configuration).stdin(Stdio::null());
        command.stdout(fs_err::File::create(&log)?.into_file());
        command.stderr(fs_err::File::create(&said)?.into_file());
        let process = command.spawn();
        let process =
            process.map_err(|source| Error::Start { program: "docker-registry".to_owned(), source })?;
        let mut registry = Self { process, log, address: String::new() };
        registry.address = until(&said, address)?;
        Ok(registry)
    }

    /// The address of a repository.
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/team/{name}", self.address)
    }

    /// How much it has written down.
    pub(crate) fn written(&self) -> Result<usize, Error> {
        Ok(fs_err::read_to_string(&self.log)?.len())
    }

    /// What it has written down since then, once a tag, which comes last, is in it.
    pub(crate) fn since(&self, before: usize, tag: &str) -> Result<String, Error> {
        let last = format!("/manifests/{tag} ");
        until(&self.log, |text| {
            let new = text.get(before..)?;
            let is_whole = new.contains(&last) && new.ends_with('\n');
            is_whole.then(|| new.to_owned())
        })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It has ended already, or does so now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads a file again and again until there is in it what is looked for.
fn until<T>(file: &Path, find: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        let text = fs_err::read_to_string(file)?;
        if let Some(found) = find(&text) {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            let problem = format!("the registry doesn't say what it should:\n{text}");
            return Err(Error::Unexpected { path: file.to_owned(), problem });
        }
        std::thread::sleep(LOOK);
    }
}

/// From `… msg="listening on 127.0.0.1:43983" …`.
fn address(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("\"listening on ")?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_says_where_it_listens() {
        let said =
            "level=info msg=\"redis not configured\"\nlevel=info msg=\"listening on 127.0.0.1:43983\" v=2\n";
        assert_eq!(address(said).as_deref(), Some("127.0.0.1:43983"));
        assert_eq!(address(&said[..80]), None);
    }

    #[test]
    fn tools_have_their_own_libraries_and_nobody_s_home() {
        let tools = Tools("/tools".into());
        let command = tools.command(&["unshare", "--user"], "buildah", Path::new("/home"));
        assert_eq!(command.get_program(), "unshare");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--user", "/tools/usr/bin/buildah"]);
        let value = |name: &str| {
            let mut variables = command.get_envs();
            variables.find_map(|(key, value)| (key == name).then(|| value.unwrap_or_default().to_owned()))
        };
        assert_eq!(value("HOME").unwrap(), "/home");
        let libraries = value("LD_LIBRARY_PATH").unwrap().into_string().unwrap();
        assert!(
            libraries.starts_with("/tools/usr/lib/") && libraries.contains(":/tools/lib/"),
            "{libraries}"
        );
    }
}
