//! Names of a circuit's nodes: given one by one, or a series `x0 x1 x2 …` of an array's nodes, which is spelt out when asked for.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::OnceLock;

/// `prefix` followed by 0, 1, … `count − 1`, from node `first` on.
#[derive(Clone, Debug)]
struct Series {
    prefix: String,
    first: usize,
    count: usize,
}

impl Series {
    fn find(&self, name: &str) -> Option<usize> {
        let digits = name.strip_prefix(self.prefix.as_str())?;
        let canonical = digits == "0" || !digits.starts_with(['0', '+']);
        let number: usize = digits.parse().ok().filter(|_| canonical)?;
        (number < self.count).then_some(self.first + number)
    }
}

/// The names, in the order of the nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    count: usize,
    /// Names given one by one, by node, and back.
    single: Vec<(usize, String)>,
    index: HashMap<String, usize>,
    series: Vec<Series>,
    all: OnceLock<Vec<String>>,
}

impl Names {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        let single = self.index.get(name).copied();
        single.or_else(|| self.series.iter().find_map(|s| s.find(name)))
    }

    fn taken(name: &str) -> Error {
        Error::invalid("node", format!("\"{name}\""), "a name not used before")
    }

    /// Adds one name; its node.
    pub fn add(&mut self, name: &str) -> Result<usize> {
        if self.find(name).is_some() {
            return Err(Self::taken(name));
        }
        self.index.insert(name.to_owned(), self.count);
        self.single.push((self.count, name.to_owned()));
        if let Some(all) = self.all.get_mut() {
            all.push(name.to_owned());
        }
        self.count += 1;
        Ok(self.count - 1)
    }

    /// Adds `prefix0 … prefix(count − 1)`; the first node.
    pub fn add_series(&mut self, prefix: &str, count: usize) -> Result<usize> {
        if count == 0 {
            return Ok(self.count);
        }
        let series = Series {
            prefix: prefix.to_owned(),
            first: self.count,
            count,
        };
        if let Some((_, name)) = self.single.iter().find(|(_, n)| series.find(n).is_some()) {
            return Err(Self::taken(name));
        }
        // Where one prefix is the other and some digits, the lowest shared number ends in the longer one's 0.
        let starts = |long: &Series, short: &Series| short.find(&format!("{}0", long.prefix));
        let meets = |other: &&Series| starts(other, &series).or(starts(&series, other)).is_some();
        if let Some(other) = self.series.iter().find(meets) {
            let longer = prefix.len().max(other.prefix.len()) == prefix.len();
            let prefix = if longer { prefix } else { &other.prefix };
            return Err(Self::taken(&format!("{prefix}0")));
        }
        self.series.push(series);
        self.all = OnceLock::new();
        self.count += count;
        Ok(self.count - count)
    }

    /// All names.
    pub fn all(&self) -> &[String] {
        self.all.get_or_init(|| {
            let mut all = vec![String::new(); self.count];
            for (node, name) in &self.single {
                all[*node].clone_from(name);
            }
            for series in &self.series {
                for k in 0..series.count {
                    all[series.first + k] = format!("{}{k}", series.prefix);
                }
            }
            all
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_names_like_any_others() {
        let mut names = Names::default();
        names.add("out").unwrap();
        assert_eq!(names.add_series("x", 12).unwrap(), 1);
        assert_eq!(names.all()[12], "x11");
        names.add("x12").unwrap();
        assert_eq!(names.all().last().unwrap(), "x12");
        for (k, name) in names.all().iter().enumerate() {
            assert_eq!(names.find(name), Some(k));
        }
        assert_eq!(
            ["x", "x012", "x00", "x+1", "x13", "y0"].map(|n| names.find(n)),
            [None; 6]
        );
        assert!(names.add("x3").is_err() && names.add_series("out", 1).is_ok());
        for prefix in ["x", "x1", ""] {
            assert!(
                names.add_series(prefix, 1).is_err() != prefix.is_empty(),
                "{prefix}"
            );
        }
        assert!(names.add_series("x1", 3).is_err() && names.add("0").is_err());
        assert!(names.add_series("x2", 3).is_ok() && names.add("x21").is_err());
        assert_eq!(names.add_series("x", 0).unwrap(), names.len());
    }
}
