//! Colourings of a factor graph: classes of variables of which no two are in one factor.

use super::Factor;
use crate::error::{Error, Result};
use std::collections::VecDeque;

/// Two classes if the graph is bipartite (one without any edge); else greedy, the variables with most neighbours first, each into
/// the first class that none of its neighbours is in: at most one more than the largest number of neighbours.
pub(super) fn find(neighbours: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let colours = two(neighbours).unwrap_or_else(|| greedy(neighbours));
    let count = colours.iter().max().map_or(0, |most| most + 1);
    let mut classes = vec![Vec::new(); count];
    for (i, &colour) in colours.iter().enumerate() {
        classes[colour].push(i);
    }
    classes
}

/// Component by component, from its first variable outwards; `None` when an odd ring comes up.
fn two(neighbours: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut colours: Vec<Option<usize>> = vec![None; neighbours.len()];
    let mut queue = VecDeque::new();
    for start in 0..neighbours.len() {
        if colours[start].is_some() {
            continue;
        }
        colours[start] = Some(0);
        queue.push_back((start, 0));
        while let Some((i, own)) = queue.pop_front() {
            for &j in &neighbours[i] {
                match colours[j] {
                    Some(colour) if colour == own => return None,
                    Some(_) => {}
                    None => {
                        colours[j] = Some(1 - own);
                        queue.push_back((j, 1 - own));
                    }
                }
            }
        }
    }
    colours.into_iter().collect()
}

fn greedy(neighbours: &[Vec<usize>]) -> Vec<usize> {
    let none = usize::MAX;
    let mut order: Vec<usize> = (0..neighbours.len()).collect();
    order.sort_by_key(|&i| (usize::MAX - neighbours[i].len(), i));
    let mut colours = vec![none; neighbours.len()];
    // `taken[c]` is the variable that last found class c among its neighbours.
    let mut taken = vec![none; neighbours.len() + 1];
    for i in order {
        for &j in &neighbours[i] {
            if colours[j] != none {
                taken[colours[j]] = i;
            }
        }
        colours[i] = taken.iter().position(|&by| by != i).unwrap_or(0);
    }
    colours
}

/// Refuses classes that do not list each of `n` variables once, or that hold two variables of one factor.
pub(super) fn check(n: usize, factors: &[Factor], classes: &[Vec<usize>]) -> Result<()> {
    let mut colour = vec![usize::MAX; n];
    for (c, class) in classes.iter().enumerate() {
        for &i in class {
            if i >= n || colour[i] != usize::MAX {
                let expected = format!("each of the {n} variables in one class");
                let words = if i >= n {
                    "which is none"
                } else {
                    "a second time"
                };
                let value = format!("variable {i} {words}");
                return Err(Error::invalid("colouring", value, expected));
            }
            colour[i] = c;
        }
    }
    if let Some(i) = colour.iter().position(|&c| c == usize::MAX) {
        let expected = format!("each of the {n} variables in one class");
        return Err(Error::invalid(
            "colouring",
            format!("no class for variable {i}"),
            expected,
        ));
    }
    // The variable that was last seen in class c within the present factor.
    let mut seen = vec![(usize::MAX, 0); classes.len()];
    for (k, factor) in factors.iter().enumerate() {
        for i in factor.variables() {
            let (factor, before) = seen[colour[i]];
            if factor == k {
                let (i, j) = (before.min(i), before.max(i));
                let value = format!("variables {i} and {j} in one class");
                let expected = format!("no two variables of factors[{k}] in one class");
                return Err(Error::invalid("colouring", value, expected));
            }
            seen[colour[i]] = (k, i);
        }
    }
    Ok(())
}
