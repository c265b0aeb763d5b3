//! Expressions: numbers and parameters, and the currents of B sources as sums of what the circuit can integrate.

use super::number;
use std::collections::BTreeMap;

/// A linear form Σ weight · V(node) + offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Form {
    pub weights: BTreeMap<String, f64>,
    pub offset: f64,
}

/// A function that a B source may apply to a linear form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Tanh,
    Exp,
    Sin,
}

/// constant + Σ polynomials + Σ coefficient · function(form).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sum {
    /// Each Σ_k c_k u^k with u the (offset-free) form; c_0 lives in `constant`.
    pub polynomials: Vec<(BTreeMap<String, f64>, Vec<f64>)>,
    pub functions: Vec<(f64, Function, Form)>,
    pub constant: f64,
}

/// The (offset-free) form, if any, and the coefficients of its powers.
type Univariate = (Option<BTreeMap<String, f64>>, Vec<f64>);

impl Sum {
    fn number(value: f64) -> Self {
        Sum {
            constant: value,
            ..Sum::default()
        }
    }

    /// The value, if it is a constant.
    pub fn constant(&self) -> Option<f64> {
        (self.polynomials.is_empty() && self.functions.is_empty()).then_some(self.constant)
    }

    fn scaled(mut self, factor: f64) -> Self {
        self.constant *= factor;
        for (_, c) in &mut self.polynomials {
            c.iter_mut().for_each(|c| *c *= factor);
        }
        self.functions.iter_mut().for_each(|f| f.0 *= factor);
        self
    }

    fn plus(mut self, other: Self) -> Self {
        self.constant += other.constant;
        for (form, c) in other.polynomials {
            if let Some(mine) = self.polynomials.iter_mut().find(|p| p.0 == form) {
                mine.1.resize(mine.1.len().max(c.len()), 0.0);
                for (mine, c) in mine.1.iter_mut().zip(c) {
                    *mine += c;
                }
            } else {
                self.polynomials.push((form, c));
            }
        }
        self.functions.extend(other.functions);
        self
    }

    /// As a polynomial of one form (a constant has none).
    fn single(&self) -> Option<Univariate> {
        if !self.functions.is_empty() || self.polynomials.len() > 1 {
            return None;
        }
        let mut c = vec![self.constant];
        let form = self.polynomials.first().map(|(form, coefficients)| {
            c.extend(&coefficients[1..]);
            form.clone()
        });
        Some((form, c))
    }

    fn times(self, other: Self) -> Result<Self, String> {
        if let Some(value) = other.constant() {
            return Ok(self.scaled(value));
        }
        if let Some(value) = self.constant() {
            return Ok(other.scaled(value));
        }
        match (self.linear_as_power(), other.linear_as_power()) {
            (Some((Some(a), ca)), Some((Some(b), cb))) if a == b => {
                let mut product = vec![0.0; ca.len() + cb.len() - 1];
                for (i, x) in ca.iter().enumerate() {
                    for (j, y) in cb.iter().enumerate() {
                        product[i + j] += x * y;
                    }
                }
                let constant = std::mem::take(&mut product[0]);
                Ok(Sum {
                    polynomials: vec![(a, product)],
                    constant,
                    ..Sum::default()
                })
            }
            _ => Err("a product of different voltages or functions".to_owned()),
        }
    }

    /// As a polynomial of one form; a sum of linear terms counts as one form.
    fn linear_as_power(&self) -> Option<Univariate> {
        if let Some(single) = self.single() {
            return Some(single);
        }
        let form = self.linear()?;
        Some((Some(form.weights), vec![form.offset, 1.0]))
    }

    /// As a linear form.
    pub fn linear(&self) -> Option<Form> {
        let mut form = Form {
            offset: self.constant,
            ..Form::default()
        };
        if !self.functions.is_empty() {
            return None;
        }
        for (weights, c) in &self.polynomials {
            if c.iter().skip(2).any(|&c| c != 0.0) {
                return None;
            }
            for (node, w) in weights {
                *form.weights.entry(node.clone()).or_insert(0.0) +=
                    w * c.get(1).copied().unwrap_or(0.0);
            }
        }
        Some(form)
    }
}

/// Parses `text`, its parameters looked up in `parameters`.
///
/// # Errors
/// What was not understood, in words.
pub(super) fn parse(text: &str, parameters: &BTreeMap<String, f64>) -> Result<Sum, String> {
    let text = text.trim_matches(|c| matches!(c, '{' | '}' | '\'' | ' '));
    let mut parser = Parser {
        rest: text.trim(),
        parameters,
    };
    let sum = parser.sum()?;
    if parser.rest.is_empty() {
        Ok(sum)
    } else {
        Err(format!("\"{}\"", parser.rest))
    }
}

/// A constant expression.
///
/// # Errors
/// As [`parse`], and one that depends on voltages.
pub(super) fn constant(text: &str, parameters: &BTreeMap<String, f64>) -> Result<f64, String> {
    parse(text, parameters)?
        .constant()
        .ok_or_else(|| format!("\"{text}\", which depends on voltages"))
}

struct Parser<'a> {
    rest: &'a str,
    parameters: &'a BTreeMap<String, f64>,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Result<Sum, String> {
        let mut total = self.product()?;
        loop {
            if self.eat("+") {
                total = total.plus(self.product()?);
            } else if self.eat("-") {
                total = total.plus(self.product()?.scaled(-1.0));
            } else {
                return Ok(total);
            }
        }
    }

    fn product(&mut self) -> Result<Sum, String> {
        let mut total = self.unary()?;
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with("**") && self.eat("*") {
                total = total.times(self.unary()?)?;
            } else if self.eat("/") {
                let divisor = self.unary()?;
                let Some(value) = divisor.constant().filter(|&v| v != 0.0) else {
                    return Err("a division by a voltage or by zero".to_owned());
                };
                total = total.scaled(1.0 / value);
            } else {
                return Ok(total);
            }
        }
    }

    fn unary(&mut self) -> Result<Sum, String> {
        if self.eat("-") {
            Ok(self.unary()?.scaled(-1.0))
        } else if self.eat("+") {
            self.unary()
        } else {
            self.power()
        }
    }

    fn power(&mut self) -> Result<Sum, String> {
        let base = self.atom()?;
        if !(self.eat("^") || self.eat("**")) {
            return Ok(base);
        }
        let exponent = self.unary()?;
        let Some(exponent) = exponent.constant() else {
            return Err("a power that depends on voltages".to_owned());
        };
        raise(base, exponent)
    }

    fn atom(&mut self) -> Result<Sum, String> {
        if self.eat("(") {
            let inner = self.sum()?;
            return if self.eat(")") {
                Ok(inner)
            } else {
                Err("a missing \")\"".to_owned())
            };
        }
        self.rest = self.rest.trim_start();
        if self
            .rest
            .starts_with(|c: char| c.is_ascii_digit() || c == '.')
        {
            let exponent = |i: usize| {
                let before = &self.rest[..i];
                before.ends_with(['e', 'E'])
                    && before[..i - 1].ends_with(|c: char| c.is_ascii_digit() || c == '.')
            };
            let end = self
                .rest
                .char_indices()
                .find(|&(i, c)| {
                    !(c.is_ascii_alphanumeric()
                        || c == '.'
                        || matches!(c, '+' | '-') && exponent(i))
                })
                .map_or(self.rest.len(), |(i, _)| i);
            let (word, rest) = self.rest.split_at(end);
            let number = number::parse(word).ok_or_else(|| format!("\"{word}\""))?;
            self.rest = rest;
            return Ok(Sum::number(number.value));
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let name = name.to_ascii_lowercase();
        if name.is_empty() {
            return Err(format!("\"{}\"", self.rest));
        }
        self.rest = rest;
        if !self.eat("(") {
            return match self.parameters.get(&name) {
                Some(&value) => Ok(Sum::number(value)),
                None if name == "pi" => Ok(Sum::number(std::f64::consts::PI)),
                None => Err(format!("the unknown parameter \"{name}\"")),
            };
        }
        if name == "v" {
            return self.voltage();
        }
        let argument = self.sum()?;
        if name == "pow" {
            let comma = self.eat(",");
            let exponent = self.sum()?.constant().filter(|_| comma);
            let closed = self.eat(")");
            return match exponent.filter(|_| closed) {
                Some(exponent) => raise(argument, exponent),
                None => Err("pow(x, constant) written otherwise".to_owned()),
            };
        }
        if !self.eat(")") {
            return Err("a missing \")\"".to_owned());
        }
        apply(&name, argument)
    }

    /// After `v(`: one node, or a difference.
    fn voltage(&mut self) -> Result<Sum, String> {
        let close = self.rest.find(')').ok_or("a missing \")\"")?;
        let (inside, rest) = self.rest.split_at(close);
        self.rest = &rest[1..];
        let mut weights = BTreeMap::new();
        let nodes: Vec<String> = inside
            .split(',')
            .map(|n| n.trim().to_ascii_lowercase())
            .collect();
        if nodes.len() > 2 || nodes.iter().any(String::is_empty) {
            return Err(format!("\"v({inside})\""));
        }
        for (node, sign) in nodes.into_iter().zip([1.0, -1.0]) {
            if node != "0" && node != "gnd" {
                *weights.entry(node).or_insert(0.0) += sign;
            }
        }
        Ok(Sum {
            polynomials: vec![(weights, vec![0.0, 1.0])],
            ..Sum::default()
        })
    }
}

fn raise(base: Sum, exponent: f64) -> Result<Sum, String> {
    if let Some(value) = base.constant() {
        return Ok(Sum::number(value.powf(exponent)));
    }
    if exponent.fract() != 0.0 || !(0.0..=16.0).contains(&exponent) {
        return Err("a voltage to a power that is not a whole number from 0 to 16".to_owned());
    }
    let mut result = Sum::number(1.0);
    for _ in 0..exponent as usize {
        result = result.times(base.clone())?;
    }
    Ok(result)
}

fn apply(name: &str, argument: Sum) -> Result<Sum, String> {
    if let Some(x) = argument.constant() {
        let value = match name {
            "tanh" => x.tanh(),
            "exp" => x.exp(),
            "sqrt" => x.sqrt(),
            "ln" | "log" => x.ln(),
            "abs" => x.abs(),
            "sin" => x.sin(),
            "cos" => x.cos(),
            "sinh" => x.sinh(),
            "cosh" => x.cosh(),
            _ => return Err(format!("the unknown function \"{name}\"")),
        };
        return Ok(Sum::number(value));
    }
    let Some(form) = argument.linear() else {
        return Err(format!(
            "{name} of something that is not linear in the voltages"
        ));
    };
    let one = |coefficient: f64, function: Function, form: Form| (coefficient, function, form);
    let opposite = || Form {
        weights: form.weights.iter().map(|(n, w)| (n.clone(), -w)).collect(),
        offset: -form.offset,
    };
    let functions = match name {
        "tanh" => vec![one(1.0, Function::Tanh, form)],
        "exp" => vec![one(1.0, Function::Exp, form)],
        "sin" => vec![one(1.0, Function::Sin, form)],
        "sinh" => vec![
            one(-0.5, Function::Exp, opposite()),
            one(0.5, Function::Exp, form),
        ],
        "cosh" => vec![
            one(0.5, Function::Exp, opposite()),
            one(0.5, Function::Exp, form),
        ],
        _ => return Err(format!("the function \"{name}\" of a voltage")),
    };
    Ok(Sum {
        functions,
        ..Sum::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> BTreeMap<String, f64> {
        BTreeMap::from([("g".to_owned(), 2.0), ("vdd".to_owned(), 1.2)])
    }

    #[test]
    fn constants_follow_arithmetic() {
        for (text, value) in [
            ("1+2*3", 7.0),
            ("{-2^2}", -4.0),
            ("(1k+g)/2", 501.0),
            ("'2**3 - exp(0)'", 7.0),
            ("sqrt(16)*pow(2,3)", 32.0),
            ("1e-3*1meg", 1000.0),
            ("-g*-3", 6.0),
        ] {
            let got = constant(text, &parameters()).unwrap();
            assert!((got - value).abs() < 1e-9, "{text}: {got}");
        }
        for text in ["1+", "x", "(1", "1 2", "foo(1)", "1/0", "v(a)"] {
            assert!(constant(text, &parameters()).is_err(), "{text}");
        }
    }

    #[test]
    fn currents_become_polynomials_and_functions() {
        let sum = parse(
            "1u*(v(a,b)^3 - v(a,b)) + g*tanh(v(a)/0.1 - 1) + 3",
            &parameters(),
        )
        .unwrap();
        assert_eq!(sum.constant, 3.0);
        let ab = BTreeMap::from([("a".to_owned(), 1.0), ("b".to_owned(), -1.0)]);
        assert_eq!(sum.polynomials, [(ab, vec![0.0, -1e-6, 0.0, 1e-6])]);
        let (coefficient, function, form) = &sum.functions[0];
        assert_eq!(
            (*coefficient, *function, form.offset),
            (2.0, Function::Tanh, -1.0)
        );
        assert!((form.weights["a"] - 10.0).abs() < 1e-12);
        assert!(parse("v(a)*v(b)", &parameters()).is_err());
        assert!(parse("tanh(v(a)^2)", &parameters()).is_err());
        assert!(parse("(v(a)-v(b))^2", &parameters()).is_ok());
    }
}
