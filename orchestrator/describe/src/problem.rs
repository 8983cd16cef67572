//! Problems of what people wrote: where, what, why, and what to write instead.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, SourceCode};

/// A text that somebody wrote, and its name: a file's path as the user would write it, or a flag.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Names a text. `name` is shown as it is: best a path relative to the project.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column, both from 1 and in characters, of a byte offset into the text.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let end =
            (0..=offset.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0);
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl fmt::Debug for Source {
    /// The name and the length in bytes: the text would bury whatever it is printed with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} B)", self.name, self.text.len())
    }
}

/// What kind of problem it is: the error code's last word. All are the user's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The text is not TOML.
    Syntax,
    /// A newer version of the format than this program reads.
    Format,
    /// A key that does not exist.
    UnknownKey,
    /// A value of another type than the key's.
    WrongType,
    /// A key that must be there and is not.
    Missing,
    /// A list or text that must not be empty.
    Empty,
    /// Something named twice.
    Duplicate,
    /// A value of the right type that does not parse.
    Invalid,
    /// A target triple that no file in `targets/` describes.
    UnknownTarget,
    /// A component, suite, toolchain, package, program, feature, profile or variant that does not exist.
    UnknownName,
    /// A name that means several things.
    Ambiguous,
    /// Two places that say different things.
    Contradiction,
    /// Nothing is pinned for what is wanted.
    NotPinned,
    /// A patch that isn't there, or that doesn't apply.
    Patch,
    /// An output selector that selects nothing.
    NothingSelected,
}

impl Kind {
    /// The word in the error code `xbuild::describe::<word>`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Format => "format",
            Self::UnknownKey => "unknown-key",
            Self::WrongType => "wrong-type",
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
            Self::UnknownTarget => "unknown-target",
            Self::UnknownName => "unknown-name",
            Self::Ambiguous => "ambiguous",
            Self::Contradiction => "contradiction",
            Self::NotPinned => "not-pinned",
            Self::Patch => "patch",
            Self::NothingSelected => "nothing-selected",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    message: String,
    place: Option<(Arc<Source>, Range<usize>)>,
    label: Option<String>,
    help: Option<String>,
}

impl Problem {
    /// A problem with no place in a text.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, label: None, help: None }
    }

    /// At a byte range of a text. A range that does not fit the text is cut to it.
    #[must_use]
    pub fn at(mut self, source: &Arc<Source>, span: Range<usize>) -> Self {
        let end = span.end.min(source.text.len());
        self.place = Some((Arc::clone(source), span.start.min(end)..end));
        self
    }

    /// Words under the marked place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What to do about it; best something that can be pasted.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What failed, on what, and why: one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The text that the problem is in, and the byte range.
    #[must_use]
    pub fn place(&self) -> Option<(&Source, Range<usize>)> {
        self.place.as_ref().map(|(source, span)| (&**source, span.clone()))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("xbuild::describe::{}", self.kind.word())))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|(source, _)| &**source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, span) = self.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new(self.label.clone(), span.start, span.len()))))
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let contents = self.text.read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

/// All problems of what was read: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    problems: Vec<Problem>,
}

impl Problems {
    /// Sorts them by place. `None` when there are none.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by_key(|problem| {
            problem.place.as_ref().map(|(source, span)| (source.name.clone(), span.start))
        });
        (!problems.is_empty()).then_some(Self { problems })
    }

    /// The problems, by place.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.problems
    }

    /// These and others, as one.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        let problems = self.problems.into_iter().chain(others.problems).collect();
        Self::new(problems).expect("there are at least those of `self`")
    }

    /// The names of the files and flags that they are in, each once.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in
            self.problems.iter().filter_map(|problem| problem.place()).map(|(source, _)| source.name())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn single(&self) -> Option<&Problem> {
        match self.problems.as_slice() {
            [problem] => Some(problem),
            _ => None,
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for Problems {
    /// One line: the message of a single problem, else how many there are and where.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(problem) = self.single() {
            return fmt::Display::fmt(problem, f);
        }
        write!(f, "{} problems", self.problems.len())?;
        match self.names().as_slice() {
            [] => Ok(()),
            names => write!(f, " in {}", names.join(" and ")),
        }
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.single().and_then(Diagnostic::code)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.single().and_then(Diagnostic::help)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.single().and_then(Diagnostic::source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.single().and_then(Diagnostic::labels)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self.single() {
            Some(_) => None,
            None => Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic))),
        }
    }
}
