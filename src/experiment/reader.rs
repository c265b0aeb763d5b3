//! Typed access to TOML tables, with errors that name file, dotted key, value and what was expected.

use crate::error::{Error, Result};
use crate::hardware::card::nearest;
use crate::units::{Dimension, parse, parse_device_time};
use std::path::Path;
use toml::{Table, Value};

/// One section of the file.
pub(super) struct Section<'a> {
    pub(super) file: &'a Path,
    pub(super) name: String,
    pub(super) table: &'a Table,
}

/// A value as it would be written, shortened.
fn shown(value: &Value) -> String {
    // A value may span lines in the file; a message is one line.
    let text = value.to_string();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() > 60 {
        let short: String = text.chars().take(57).collect();
        format!("{short}...")
    } else {
        text
    }
}

impl<'a> Section<'a> {
    pub(super) fn key(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// Refuses keys that are not in `known`; those in `later` belong to parts that this version does not have.
    pub(super) fn check_keys(&self, known: &[&str], later: &[&str]) -> Result<()> {
        for (key, value) in self.table {
            if later.contains(&key.as_str()) {
                return Err(self.invalid(
                    key,
                    value,
                    "this key to be absent: it is not supported in this version yet",
                ));
            }
            if !known.contains(&key.as_str()) {
                return Err(Error::UnknownKey {
                    file: Some(self.file.to_path_buf()),
                    key: self.key(key),
                    nearest: nearest(key, known.iter().copied()),
                });
            }
        }
        Ok(())
    }

    pub(super) fn invalid(&self, key: &str, value: &Value, expected: impl Into<String>) -> Error {
        Error::invalid(self.key(key), shown(value), expected).in_file(self.file)
    }

    /// Refuses the value of a key that is there.
    pub(super) fn refused(&self, key: &str, expected: &str) -> Error {
        match self.table.get(key) {
            Some(value) => self.invalid(key, value, expected),
            None => self.missing(key, expected),
        }
    }

    pub(super) fn missing(&self, key: &str, expected: &str) -> Error {
        Error::invalid(
            self.key(key),
            "nothing",
            format!("{expected} (this key is required)"),
        )
        .in_file(self.file)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.table.keys().map(String::as_str)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.table.get(key)
    }

    pub(super) fn section(&self, key: &str) -> Result<Option<Section<'a>>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Section {
                file: self.file,
                name: self.key(key),
                table,
            })),
            Some(value) => Err(self.invalid(key, value, format!("a section [{}]", self.key(key)))),
        }
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Boolean(flag)) => Ok(*flag),
            Some(value) => Err(self.invalid(key, value, "true or false")),
        }
    }

    pub(super) fn text(&self, key: &str, default: &str) -> Result<String> {
        match self.get(key) {
            None => Ok(default.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value) => Err(self.invalid(key, value, "a text in quotes")),
        }
    }

    pub(super) fn optional_text(&self, key: &str) -> Result<Option<String>> {
        self.get(key).map(|_| self.text(key, "")).transpose()
    }

    /// One of the given words.
    pub(super) fn word(&self, key: &str, default: &str, words: &[&str]) -> Result<String> {
        let word = self.text(key, default)?;
        if words.contains(&word.as_str()) {
            return Ok(word);
        }
        let expected = format!("one of {}", words.join(", "));
        Err(self.invalid(key, &Value::String(word), expected))
    }

    pub(super) fn number(value: &Value) -> Option<f64> {
        match value {
            Value::Integer(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }

    pub(super) fn float(&self, key: &str, default: f64) -> Result<f64> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => Self::number(value)
                .filter(|v| v.is_finite())
                .ok_or_else(|| self.invalid(key, value, "a finite number")),
        }
    }

    pub(super) fn positive(&self, key: &str, default: f64) -> Result<f64> {
        let number = self.float(key, default)?;
        match self.get(key) {
            Some(value) if number <= 0.0 => Err(self.invalid(key, value, "a positive number")),
            _ => Ok(number),
        }
    }

    /// A number that `allowed` accepts; `words` complete "a number …".
    pub(super) fn within(
        &self,
        key: &str,
        default: f64,
        allowed: impl Fn(f64) -> bool,
        words: &str,
    ) -> Result<f64> {
        let number = self.float(key, default)?;
        match self.get(key) {
            Some(value) if !allowed(number) => {
                Err(self.invalid(key, value, format!("a number {words}")))
            }
            _ => Ok(number),
        }
    }

    /// A whole number in a range, both ends included.
    pub(super) fn count_between(
        &self,
        key: &str,
        default: u64,
        (least, most): (u64, u64),
    ) -> Result<u64> {
        let count = self.count(key, default, least)?;
        match self.get(key) {
            Some(value) if count > most => {
                let expected = format!("a whole number from {least} to {most}");
                Err(self.invalid(key, value, expected))
            }
            _ => Ok(count),
        }
    }

    pub(super) fn count(&self, key: &str, default: u64, least: u64) -> Result<u64> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Integer(i)) if *i >= least as i64 => Ok(*i as u64),
            Some(value) => {
                Err(self.invalid(key, value, format!("a whole number of at least {least}")))
            }
        }
    }

    pub(super) fn time(&self, key: &str, default: &str) -> Result<String> {
        let text = match self.get(key) {
            None => return Ok(default.to_owned()),
            Some(Value::String(text)) => text,
            Some(value) => {
                return Err(self.invalid(
                    key,
                    value,
                    "a device time with a unit, e.g. \"20 tau\" or \"2 us\" (a unit is missing)",
                ));
            }
        };
        parse_device_time(text).map_err(|e| e.at(&self.key(key)).in_file(self.file))?;
        Ok(text.clone())
    }

    /// As [`Section::time`], but zero is allowed.
    pub(super) fn time_or_zero(&self, key: &str, default: &str) -> Result<String> {
        match self.get(key).and_then(Value::as_str) {
            Some(text) if parse_device_time_or_zero(text) == Some(0.0) => Ok(text.to_owned()),
            _ => self.time(key, default),
        }
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || self.invalid(key, value, "a list of finite numbers");
        let list = value.as_array().ok_or_else(wrong)?;
        list.iter()
            .map(|v| Self::number(v).filter(|v| v.is_finite()).ok_or_else(wrong))
            .collect::<Result<_>>()
            .map(Some)
    }

    pub(super) fn indices(&self, key: &str) -> Result<Option<Vec<usize>>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || self.invalid(key, value, "a list of node numbers from 0");
        let list = value.as_array().ok_or_else(wrong)?;
        list.iter()
            .map(|v| {
                v.as_integer()
                    .and_then(|i| usize::try_from(i).ok())
                    .ok_or_else(wrong)
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    pub(super) fn rows(&self, key: &str) -> Result<Option<Vec<Vec<f64>>>> {
        self.get(key).map(|v| self.rows_in(key, v)).transpose()
    }

    /// A list of rectangular matrices, each as rows.
    pub(super) fn matrices(&self, key: &str) -> Result<Option<Vec<Vec<Vec<f64>>>>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let list = value
            .as_array()
            .ok_or_else(|| self.invalid(key, value, "a list of matrices (lists of rows)"))?;
        let matrix = |(k, value): (usize, &Value)| {
            let name = format!("{key}[{k}]");
            let rows = self.rows_in(&name, value)?;
            match rows.iter().all(|row| row.len() == rows[0].len()) {
                true => Ok(rows),
                false => Err(self.invalid(&name, value, "rows of one length")),
            }
        };
        list.iter()
            .enumerate()
            .map(matrix)
            .collect::<Result<_>>()
            .map(Some)
    }

    fn rows_in(&self, key: &str, value: &Value) -> Result<Vec<Vec<f64>>> {
        let list = value
            .as_array()
            .ok_or_else(|| self.invalid(key, value, "a list of rows of numbers"))?;
        list.iter()
            .enumerate()
            .map(|(k, row)| {
                let name = format!("{key}[{k}]");
                let wrong = || self.invalid(&name, row, "a row of finite numbers");
                let row = row.as_array().ok_or_else(wrong)?;
                row.iter()
                    .map(|v| Self::number(v).filter(|v| v.is_finite()).ok_or_else(wrong))
                    .collect::<Result<Vec<f64>>>()
            })
            .collect()
    }

    pub(super) fn words(&self, key: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || self.invalid(key, value, "a list of texts");
        let list = value.as_array().ok_or_else(wrong)?;
        list.iter()
            .map(|v| v.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_>>()
            .map(Some)
    }
}

/// `Some(0.0)` for a zero with a unit of time, which [`parse_device_time`] refuses.
fn parse_device_time_or_zero(text: &str) -> Option<f64> {
    let count = text
        .trim()
        .strip_suffix("tau")
        .map(|number| number.trim().parse::<f64>().ok());
    count.unwrap_or_else(|| parse(text, Dimension::Time).ok())
}

/// Seconds of a device time that the reader has checked.
pub(super) fn seconds(text: &str, tau: f64) -> f64 {
    match parse_device_time(text) {
        Ok(time) => time.seconds(tau),
        Err(_) => parse_device_time_or_zero(text).unwrap_or(f64::NAN),
    }
}
