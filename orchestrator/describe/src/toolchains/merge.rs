//! A project's `toolchains.toml` laid over the built-in one.

use super::{Pins, Toolchains};
use crate::names::ComponentName;

impl Toolchains {
    /// Takes all of `over`, and of `self` what it does not name: a suite, a recipe, a component's pins for a host
    /// and a toolchain are each replaced as a whole.
    #[must_use]
    pub(super) fn under(mut self, over: Self) -> Self {
        let Self { default, suites, components, pins, toolchains } = over;
        self.default = default;
        self.suites.extend(suites);
        self.components.extend(components);
        self.toolchains.extend(toolchains);
        for (host, over) in pins {
            let merged: &mut std::collections::BTreeMap<ComponentName, Pins> =
                self.pins.entry(host).or_default();
            merged.extend(over);
        }
        self
    }
}
