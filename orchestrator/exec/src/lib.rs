//! The in-process Linux sandbox and the local executor, [`Sandbox`]. It knows nothing of cargo.
//!
//! # How it works
//!
//! A sandbox is a value ([`specification`](self), private), computed by the parent from an
//! [`xbuild_action::Request`] and handed over a socket to a *helper*: this same program, re-executed with
//! [`HELPER_ARGUMENT`] once and forked for each action. It has one thread, so it may fork. The helper becomes an unprivileged user if it was
//! root, makes the namespaces, and forks the sandbox's *init*, which mounts the root, gives up every privilege and
//! starts the program.
//!
//! | module | where it runs | what it does |
//! |---|---|---|
//! | `executor` | parent | [`Sandbox`]: one action from request to outcome |
//! | `layout` | parent, pure | input root → overlay mounts |
//! | `stage`, `maker` | parent | folders in the action's scratch folder |
//! | `inputs` | parent | hard links to the input files there, left to the next action |
//! | `zygote` | both | the process that helpers are forked from |
//! | `session` | parent | listens to program and helper, keeps the limits that need somebody to look |
//! | `streams`, `watch`, `cgroup` | parent | lines and logs; memory and processes |
//! | `outputs`, `links` | parent | upper folders → blobs and trees |
//! | `specification`, `channel` | both | the value, and the socket that it and the reports travel on |
//! | `helper`, `namespaces`, `root`, `init`, `limits` | helper | the sandbox from the inside |
//! | `observe` | both | which files a program looks at |
//! | `enter` | a process of its own | a person's own program among files of the store, with no sandbox |
//! | `probe` | both | [`Check`]s for `xbuild doctor` |
//! | `sys` | both | the `unsafe` of the workspace |
//!
//! # What a program sees
//!
//! - `/`: one overlay: links to single input files, over the mounts of the inputs and the layers' trees, over an `/etc`
//!   with `passwd`, `group`, `hosts` and `nsswitch.conf`; of many mounts each is an overlay of its own. All of it is
//!   writable and thrown away, all files have one time.
//! - `/proc` of its own processes, with no kernel command line and a boot id that is the same everywhere; `/dev` with `null zero full random urandom fd stdin stdout stderr shm`, `/tmp`
//!   empty (unless an output lies below it), no `/sys`.
//! - user and group 1000, host name `xbuild`, umask 022, standard input `/dev/null`, a session of its own with no
//!   terminal, default signal actions, no descriptors but 0–2 and the jobserver's, exactly the command's
//!   environment, a loopback interface and no other, address layout not randomised (unless the machine forbids
//!   just that).
//! - limits: no core dumps, 1024 (at most 4096) open files, a stack of 8 (at most 64) MiB, and [`Limits`]. `/tmp`
//!   holds half of the memory limit, `/dev/shm` an eighth.
//! - no capabilities, no way to gain any (`no_new_privs`, empty bounding set, locked securebits), and no
//!   namespaces of its own.
//!
//! When init ends, the kernel kills the rest; when the helper's parent closes the socket or dies, the helper kills
//! init. [`Sandbox::execute`](xbuild_action::Executor::execute) returns after the last process has gone.
//!
//! # Which files were looked at
//!
//! Where a request asks for it, the helper is told of every system call that shows something of a file, and notes the
//! file: module `observe` says how, and what it can't see. Where the machine has no such notification, or hides the
//! program from the helper, programs run all the same and nothing is known ([`Observed`] is `None`).
//!
//! # Weaker isolation
//!
//! Only on request, and recorded in the result. [`Isolation::NoNetworkNamespace`] has the host's network.
//! [`Isolation::None`] has just a user and a mount namespace: the host's top-level folders are bound at their
//! places, writable as far as the user may write, and where inputs have a folder of the same name (`/usr`) they
//! lie over the host's in an overlay; the same unprivileged user; the host's processes, network, `/proc`, `/dev` and `/tmp`; no limits but time.
//! Orphans are still killed at the end. Nothing is observed.
//!
//! [`Isolation::NoNetworkNamespace`]: xbuild_action::Isolation::NoNetworkNamespace
//! [`Isolation::None`]: xbuild_action::Isolation::None
//! [`Limits`]: xbuild_action::Limits
//! [`Observed`]: xbuild_action::Observed

mod cgroup;
mod channel;
mod enter;
mod executor;
mod helper;
mod init;
mod inputs;
mod layout;
mod limits;
mod links;
mod maker;
mod namespaces;
mod observe;
mod outputs;
mod probe;
mod root;
mod session;
mod specification;
mod stage;
mod streams;
mod sys;
mod watch;
mod zygote;

pub use enter::{Entry, Ground, enter};
pub use executor::Sandbox;
pub use helper::{HELPER_ARGUMENT, helper_main, run_helper_if_asked};
pub use probe::{Check, State};
