//! `xbuild plan`: the actions that outputs are made by, as JSON, DOT or SVG.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use layout::backends::svg::SVGWriter;
use layout::gv::{DotParser, GraphBuilder};
use serde_json::{Value, json};
use xbuild_describe::{Step, Steps};
use xbuild_plan::Work as _;
use xbuild_plan::graph::Graph;
use xbuild_plan::label::Label;
use xbuild_plan::queue::Wait;

use crate::cli::{Global, Plan, PlanFormat};
use crate::error::XbuildError;
use crate::steps::{Making, Takers};
use crate::ui::Ui;
use crate::work::{Laid, Wanted, planned};

pub(crate) fn run(global: &Global, plan: &Plan, ui: &Ui) -> Result<ExitCode, XbuildError> {
    planned(global, &plan.outputs.clone().into(), Wanted::Everything, ui, |work, planned| {
        let Laid { graph, steps, .. } = work.look(planned, Making::Skip)?;
        let described = &work.described().description.steps;
        let names = described.in_order(steps.takers.values().flatten().map(String::as_str));
        let labels: Vec<Label> = names.into_iter().map(Label::step).collect();
        let actions = actions((described, &labels), &graph, &steps.takers);
        let text = match plan.format {
            PlanFormat::Json => format!("{:#}", in_json(&actions)),
            PlanFormat::Dot => in_dot(&actions),
            PlanFormat::Svg => in_svg(&actions)?,
        };
        match &plan.output_file {
            None => ui.output_line(text.trim_end()),
            Some(file) => fs_err::write(file, text).map_err(|error| XbuildError::machine(&error))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// An action, with what it waits for: actions by their place in the list, which is before its own.
struct Action<'g> {
    label: &'g Label,
    needs: BTreeMap<usize, Wait>,
}

/// The actions of steps, in an order in which they can be run, and of a graph. What several targets share is one, by what
/// tells units apart in any graph.
fn actions<'g>(
    (described, steps): (&Steps, &'g [Label]),
    graph: &'g Graph<'_>,
    takers: &Takers,
) -> Vec<Action<'g>> {
    let places = steps.iter().enumerate().map(|(place, label)| (label.package.as_str(), place));
    let places_of_steps: BTreeMap<&str, usize> = places.collect();
    let of_step = |name: &str| places_of_steps.get(name).map(|&place| (place, Wait::End));
    let step = |label: &'g Label| {
        let taken = described.steps.get(&label.package).into_iter().flat_map(Step::steps);
        Action { label, needs: taken.filter_map(|part| of_step(&part.name)).collect() }
    };
    let mut actions: Vec<Action<'g>> = steps.iter().map(step).collect();
    let mut known: BTreeMap<(&Label, &str), usize> = BTreeMap::new();
    let mut places = Vec::new();
    for (node, (_, needs)) in graph.nodes().into_iter().enumerate() {
        let of = graph.unit(node);
        let (label, hash) = (&graph.labels()[node], graph.parts()[of.part].context.hash(of.unit));
        let place = *known.entry((label, hash.name.as_str())).or_insert_with(|| {
            actions.push(Action { label, needs: BTreeMap::new() });
            actions.len() - 1
        });
        places.push(place);
        let needs = needs.into_iter().map(|(node, wait)| (places[node], wait));
        let taken = takers.get(&of).into_iter().flatten().filter_map(|name| of_step(name));
        actions[place].needs.extend(needs.chain(taken));
    }
    actions
}

fn in_json(actions: &[Action<'_>]) -> Value {
    let action = |(id, Action { label, needs }): (usize, &Action<'_>)| {
        let needs = needs.iter().map(|(action, wait)| {
            let until = if *wait == Wait::Metadata { "metadata" } else { "end" };
            json!({ "action": action, "until": until })
        });
        json!({
            "action": id,
            "unit": label.to_string(),
            "package_id": label.of_package(),
            "platform": label.platform,
            "needs": needs.collect::<Vec<_>>(),
        })
    };
    json!({ "actions": actions.iter().enumerate().map(action).collect::<Vec<_>>() })
}

fn in_dot(actions: &[Action<'_>]) -> String {
    let quoted = |text: String| Value::from(text).to_string();
    let mut text = "digraph plan {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for (id, Action { label, needs }) in actions.iter().enumerate() {
        let _ = writeln!(text, "  a{id} [label={}];", quoted(format!("{label}\n{}", label.platform)));
        for (need, wait) in needs {
            let style = if *wait == Wait::Metadata { " [style=dashed]" } else { "" };
            let _ = writeln!(text, "  a{need} -> a{id}{style};");
        }
    }
    text + "}\n"
}

fn in_svg(actions: &[Action<'_>]) -> Result<String, XbuildError> {
    let graph = DotParser::new(&in_dot(actions)).process();
    let graph = graph.map_err(|problem| {
        XbuildError::environment(
            format!("the plan can't be drawn: {problem}"),
            "write it for Graphviz: --format dot",
        )
    })?;
    let mut builder = GraphBuilder::new();
    builder.visit_graph(&graph);
    let mut writer = SVGWriter::new();
    builder.get().do_it(false, false, false, &mut writer);
    Ok(writer.finalize())
}
