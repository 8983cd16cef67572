//! Relations between packages: the values of `Depends`, `Pre-Depends` and `Provides`.
//!
//! Debian Policy, chapter 7. What cannot stand in a binary package's fields (architecture lists, build
//! profiles) is refused.

use std::fmt;

use super::version::Version;

/// How a version must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::Earlier,
            // `<` and `>` are old spellings of `<=` and `>=` (Policy 7.1).
            "<=" | "<" => Self::EarlierOrEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::LaterOrEqual,
            ">>" => Self::Later,
            _ => return None,
        })
    }
}

/// A constraint on a version, such as `(>= 2.36)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub version: Version,
}

impl Constraint {
    /// Whether `version` fits.
    #[must_use]
    pub fn admits(&self, version: &Version) -> bool {
        match self.operator {
            Operator::Earlier => *version < self.version,
            Operator::EarlierOrEqual => *version <= self.version,
            Operator::Equal => *version == self.version,
            Operator::LaterOrEqual => *version >= self.version,
            Operator::Later => *version > self.version,
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} {})", self.operator.as_str(), self.version)
    }
}

/// One package that would do: `name[:qualifier] [(op version)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The package, real or virtual.
    pub name: String,
    /// `any`, `native` or an architecture.
    pub qualifier: Option<String>,
    /// Which versions will do.
    pub constraint: Option<Constraint>,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match &self.constraint {
            Some(constraint) => write!(f, " {constraint}"),
            None => Ok(()),
        }
    }
}

/// Reads one relation; `None` when it isn't one.
#[must_use]
pub fn parse_relation(text: &str) -> Option<Relation> {
    let text = text.trim();
    let (name, constraint) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => {
            let rest = rest.strip_suffix(')')?.trim();
            let end = rest.find(|c: char| !"<=>".contains(c))?;
            let (operator, version) = (Operator::parse(&rest[..end])?, rest[end..].parse().ok()?);
            (name.trim_end(), Some(Constraint { operator, version }))
        }
    };
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) if !qualifier.is_empty() => (name, Some(qualifier.to_owned())),
        Some(_) => return None,
        None => (name, None),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (!name.is_empty() && name.chars().all(valid)).then(|| Relation {
        name: name.to_owned(),
        qualifier,
        constraint,
    })
}

/// Reads a whole field: groups joined by `,`, each of alternatives joined by `|`. The error is the piece that is
/// no relation.
///
/// # Errors
/// When a piece can't be read.
pub fn parse_relations(text: &str) -> Result<Vec<Vec<Relation>>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .map(|group| {
            group
                .split('|')
                .map(|piece| parse_relation(piece).ok_or_else(|| piece.trim().to_owned()))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_shown_again() {
        let text = "libc6 (>= 2.36), libgcc-s1:any, a | b (<< 1:2.0~) | c, perl:native, x (= 1-2)";
        let groups = parse_relations(text).unwrap();
        let shown: Vec<String> = groups
            .iter()
            .map(|group| group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "))
            .collect();
        assert_eq!(shown.join(", "), text);
        assert_eq!(groups[1][0].qualifier.as_deref(), Some("any"));
        assert_eq!(parse_relations(" , ").unwrap(), Vec::<Vec<Relation>>::new());
        assert_eq!(parse_relation("a(>=1)").unwrap().to_string(), "a (>= 1)");
    }

    #[test]
    fn what_is_no_relation_is_named() {
        for (text, piece) in
            [("a, b (", "b ("), ("a | b [amd64]", "b [amd64]"), ("a (~ 1)", "a (~ 1)"), ("a:", "a:")]
        {
            assert_eq!(parse_relations(text), Err(piece.to_owned()), "{text}");
        }
    }

    #[test]
    fn constraints_admit_what_they_say() {
        let admits = |relation: &str, version: &str| {
            parse_relation(relation).unwrap().constraint.unwrap().admits(&version.parse().unwrap())
        };
        for (relation, version, expected) in [
            ("a (>= 1)", "1", true),
            ("a (>> 1)", "1", false),
            ("a (<< 1)", "1~rc1", true),
            ("a (<= 1)", "1-1", false),
            ("a (= 1-0)", "1", true),
        ] {
            assert_eq!(admits(relation, version), expected, "{relation} {version}");
        }
    }
}
