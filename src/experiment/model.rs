//! From `[energy]` (and the data's nodes) to a model.

use super::energy::{EnergyKind, Matrix, OnGraph, Pairs};
use super::schema::Experiment;
use crate::data::{Dataset, NumberFile};
use crate::dynamics::streams::chain_rng;
use crate::energy::{Couplings, FluxCells, Ising, Model, Quadratic, SoftSpin, rbm_couplings};
use crate::error::{Error, Result};
use crate::hardware::{Graph, Topology};
use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};
use std::path::{Path, PathBuf};

/// Domain of the random numbers of drawn energies.
const DRAWN: u64 = 0x500;

/// Rows of a file as a matrix.
fn matrix(experiment: &Experiment, source: &Matrix, field: &str) -> Result<DMatrix<f64>> {
    let loaded;
    let rows = match source {
        Matrix::Rows(rows) => rows,
        Matrix::File(file) => {
            loaded = NumberFile::read(&experiment.path(file))?.rows(field)?;
            &loaded
        }
    };
    let width = rows.first().map_or(0, Vec::len);
    if let Some(k) = rows.iter().position(|r| r.len() != width) {
        let expected = format!("{width} numbers, as in the first row");
        return Err(Error::invalid(
            format!("{field}[{k}]"),
            format!("{} numbers", rows[k].len()),
            expected,
        ));
    }
    Ok(DMatrix::from_row_iterator(
        rows.len(),
        width,
        rows.iter().flatten().copied(),
    ))
}

/// (i, j, J), inline or from a file.
fn triples(experiment: &Experiment, source: &Pairs) -> Result<Vec<(usize, usize, f64)>> {
    let loaded;
    let rows = match source {
        Pairs::List(rows) => rows,
        Pairs::File(file) => {
            loaded = NumberFile::read(&experiment.path(file))?.coupling_rows()?;
            &loaded
        }
    };
    pair_list(rows)
}

fn pair_list(rows: &[Vec<f64>]) -> Result<Vec<(usize, usize, f64)>> {
    let node = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 1e9).then_some(v as usize);
    rows.iter()
        .enumerate()
        .map(|(k, row)| {
            match row[..] {
                [i, j, value] => node(i).zip(node(j)).map(|(i, j)| (i, j, value)),
                _ => None,
            }
            .ok_or_else(|| {
                let expected = "[i, j, J] with node numbers i, j from 0";
                Error::invalid(format!("couplings[{k}]"), format!("{row:?}"), expected)
            })
        })
        .collect()
}

/// Pairs of nodes that `connect` joins: `all` leaves out hidden–hidden pairs, `visible-hidden` keeps only the pairs across,
/// `everything` joins every two nodes.
pub fn coupled_pairs(visible: usize, hidden: usize, connect: &str) -> Vec<(usize, usize)> {
    let n = visible + hidden;
    (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .filter(|&(i, j)| match connect {
            "everything" => true,
            "visible-hidden" => i < visible && j >= visible,
            _ => i < visible,
        })
        .collect()
}

/// The model of an experiment. When it trains, all fields and couplings start at zero on the nodes of the data (pixels,
/// then labels) and the hidden ones after them. `copies` repeats the nodes: copy c of node i is node c·n + i.
///
/// # Errors
/// What is wrong with the energy, by dotted key; a file that cannot be read.
pub fn build_model(experiment: &Experiment, dataset: Option<&Dataset>) -> Result<Model> {
    single(experiment, dataset)
        .and_then(|model| copied(model, experiment.energy.copies))
        .map_err(|e| e.under("energy").in_file(&experiment.file))
}

/// What `train` wrote.
struct Stored {
    fields: Vec<f64>,
    couplings: Vec<(usize, usize, f64)>,
    cells: Option<(Vec<f64>, Vec<f64>)>,
}

/// The file that `energy.parameters` names, in a run's directory or by itself.
pub(super) fn parameters_file(experiment: &Experiment) -> Option<PathBuf> {
    let mut path = experiment.path(experiment.energy.parameters.as_ref()?);
    if path.is_dir() {
        path.push("parameters.npz");
    }
    Some(path)
}

fn stored(experiment: &Experiment) -> Result<Option<Stored>> {
    let Some(path) = parameters_file(experiment) else {
        return Ok(None);
    };
    let file = NumberFile::read(&path)?;
    let cells = match (file.get("j2"), file.get("j4")) {
        (Some(_), Some(_)) => Some((file.list("j2")?, file.list("j4")?)),
        _ => None,
    };
    Ok(Some(Stored {
        fields: file.list("fields")?,
        couplings: pair_list(&file.coupling_rows()?)?,
        cells,
    }))
}

/// Fields and couplings on a graph, from the instance's number or the experiment's seed.
#[allow(clippy::type_complexity)]
fn drawn(experiment: &Experiment, on: &OnGraph) -> Result<(Vec<f64>, Vec<(usize, usize, f64)>)> {
    let mut topology = Topology::parse(&on.graph).map_err(|e| e.at("graph"))?;
    if let Topology::File(path) = &topology {
        topology = read_graph(&experiment.path(path))?;
    }
    let Some((nodes, edges)) = topology.nodes().zip(topology.edges()) else {
        let expected = "a topology of so many nodes, e.g. \"open 70x70 G12\"";
        return Err(Error::invalid(
            "graph",
            format!("\"{}\"", on.graph),
            expected,
        ));
    };
    let numbers = |stream: u64, mean: f64, sigma: f64| {
        let mut rng = chain_rng(on.instance.unwrap_or(experiment.seed), DRAWN, stream);
        move || {
            let z: f64 = StandardNormal.sample(&mut rng);
            mean + sigma * z
        }
    };
    let mut field = numbers(0, on.field, on.field_sigma);
    let mut coupling = numbers(1, on.coupling, on.coupling_sigma);
    let fields = (0..nodes).map(|_| field()).collect();
    let couplings = edges.into_iter().map(|(i, j)| (i, j, coupling()));
    Ok((fields, couplings.collect()))
}

/// A topology from a list of pairs.
///
/// # Errors
/// A file that cannot be read, or whatever is wrong in it.
pub fn read_graph(path: &Path) -> Result<Topology> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let graph = Graph::parse(&text).map_err(|e| Error::File {
        file: path.to_path_buf(),
        reason: e.to_string(),
    })?;
    Ok(Topology::Graph(graph))
}

fn spread(values: &[f64], n: usize) -> Vec<f64> {
    match values {
        [one] => vec![*one; n],
        _ => values.to_vec(),
    }
}

fn single(experiment: &Experiment, dataset: Option<&Dataset>) -> Result<Model> {
    let is_mixture = matches!(experiment.energy.kind, EnergyKind::Mixture { .. });
    let stored = if is_mixture {
        None
    } else {
        stored(experiment)?
    };
    Ok(match &experiment.energy.kind {
        EnergyKind::Quadratic { precision, linear } => {
            let precision = matrix(experiment, precision, "precision")?;
            let zeros = || vec![0.0; precision.nrows()];
            let linear = DVector::from_vec(linear.clone().unwrap_or_else(zeros));
            Model::Quadratic(Quadratic::new(precision, linear)?)
        }
        EnergyKind::SoftSpin {
            j2,
            j4,
            fields,
            couplings,
        } => {
            if let Some((train, data)) = experiment.train.as_ref().zip(dataset) {
                let (visible, n) = (data.labels.end, data.labels.end + train.hidden);
                let pairs = coupled_pairs(visible, train.hidden, &train.connect);
                let zero = pairs.into_iter().map(|(i, j)| (i, j, 0.0)).collect();
                let fields = fields.clone().unwrap_or_else(|| vec![0.0; n]);
                let graph = Couplings::new(n, zero)?;
                return Ok(Model::SoftSpin(SoftSpin::new(
                    spread(j2, n),
                    spread(j4, n),
                    fields,
                    graph,
                )?));
            }
            if let Some(stored) = stored {
                let n = stored.fields.len();
                let graph = Couplings::new(n, stored.couplings)?;
                let cells = stored
                    .cells
                    .unwrap_or_else(|| (spread(j2, n), spread(j4, n)));
                return Ok(Model::SoftSpin(SoftSpin::new(
                    cells.0,
                    cells.1,
                    stored.fields,
                    graph,
                )?));
            }
            let list = triples(experiment, couplings)?;
            // Nodes are counted by the longest list; when all are numbers for every node, by the couplings.
            let listed = [j2.len(), j4.len(), fields.as_ref().map_or(1, Vec::len)];
            let n = match listed.into_iter().max() {
                Some(n) if n > 1 || fields.is_some() => n,
                _ => list
                    .iter()
                    .map(|&(i, j, _)| i.max(j) + 1)
                    .max()
                    .unwrap_or(1),
            };
            let fields = fields.clone().unwrap_or_else(|| vec![0.0; n]);
            let graph = Couplings::new(n, list)?;
            Model::SoftSpin(SoftSpin::new(spread(j2, n), spread(j4, n), fields, graph)?)
        }
        EnergyKind::Ising {
            fields,
            couplings,
            on_graph,
        } => {
            if let Some((train, data)) = experiment.train.as_ref().zip(dataset) {
                let (visible, n) = (data.labels.end, data.labels.end + train.hidden);
                let pairs = coupled_pairs(visible, train.hidden, &train.connect);
                let zero = pairs.into_iter().map(|(i, j)| (i, j, 0.0)).collect();
                let graph = Couplings::new(n, zero)?;
                return Ok(Model::Ising(Ising::new(vec![0.0; n], graph)?));
            }
            let (fields, list) = match (stored, on_graph) {
                (Some(stored), _) => (stored.fields, stored.couplings),
                (None, Some(on_graph)) => drawn(experiment, on_graph)?,
                (None, None) => {
                    let list = triples(experiment, couplings)?;
                    (fields.clone().unwrap_or_default(), list)
                }
            };
            let graph = Couplings::new(fields.len(), list)?;
            Model::Ising(Ising::new(fields, graph)?)
        }
        EnergyKind::Rbm {
            visible,
            hidden,
            units,
            weights,
            fields,
            j2,
            j4,
        } => {
            if let Some((train, data)) = experiment.train.as_ref().zip(dataset) {
                let zero = DMatrix::zeros(data.labels.end, train.hidden);
                let fields = vec![0.0; data.labels.end + train.hidden];
                return Ok(Model::Ising(Ising::rbm(&zero, fields)?));
            }
            if let Some(stored) = stored {
                let graph = Couplings::new(stored.fields.len(), stored.couplings)?;
                return Ok(Model::Ising(Ising::new(stored.fields, graph)?));
            }
            let weights = matrix(experiment, weights, "weights")?;
            if weights.shape() != (*visible, *hidden) {
                let value = format!("{} x {} numbers", weights.nrows(), weights.ncols());
                let expected = format!("{visible} x {hidden}, visible by hidden");
                return Err(Error::invalid("weights", value, expected));
            }
            let n = visible + hidden;
            let fields = fields.clone().unwrap_or_else(|| vec![0.0; n]);
            if units == "soft_spin" {
                let graph = rbm_couplings(&weights)?;
                Model::SoftSpin(SoftSpin::new(vec![*j2; n], vec![*j4; n], fields, graph)?)
            } else {
                Model::Ising(Ising::rbm(&weights, fields)?)
            }
        }
        EnergyKind::Mixture(entry) => super::mixture::model(experiment, dataset, entry)?,
        EnergyKind::FluxCells {
            josephson,
            inductive,
            flux,
        } => Model::FluxCells(FluxCells::new(*josephson, *inductive, flux.clone())?),
        EnergyKind::FourWells => Model::SoftSpin(SoftSpin::four_wells()),
        EnergyKind::DoubleWell { barrier, dim } => {
            Model::SoftSpin(SoftSpin::double_well(*barrier, *dim)?)
        }
        EnergyKind::Factors {
            variables,
            factors,
            colouring,
        } => Model::Factors(super::factors::graph(
            variables,
            factors,
            colouring.as_ref(),
        )?),
    })
}

/// `copies` of a model side by side, with nothing between them.
fn copied(model: Model, copies: usize) -> Result<Model> {
    if copies == 1 {
        return Ok(model);
    }
    let n = model.dim();
    let repeated = |graph: &Couplings| {
        let edges = graph.edges().iter().zip(graph.values());
        let list = (0..copies).flat_map(|c| {
            let shifted = edges.clone();
            shifted.map(move |(&(i, j), &value)| (c * n + i, c * n + j, value))
        });
        Couplings::new(copies * n, list.collect())
    };
    Ok(match model {
        Model::Quadratic(e) => {
            let precision = DMatrix::from_fn(copies * n, copies * n, |i, j| {
                if i / n == j / n {
                    e.precision()[(i % n, j % n)]
                } else {
                    0.0
                }
            });
            let linear = DVector::from_fn(copies * n, |i, _| e.linear()[i % n]);
            Model::Quadratic(Quadratic::new(precision, linear)?)
        }
        Model::SoftSpin(e) => {
            let graph = repeated(&e.couplings)?;
            let mut all = SoftSpin::new(
                e.j2.repeat(copies),
                e.j4.repeat(copies),
                e.fields.repeat(copies),
                graph,
            )?;
            all.constant = e.constant * copies as f64;
            Model::SoftSpin(all)
        }
        Model::Ising(e) => {
            let graph = repeated(&e.couplings)?;
            Model::Ising(Ising::new(e.fields.repeat(copies), graph)?)
        }
        Model::FluxCells(e) => {
            let flux = e.flux.repeat(copies);
            Model::FluxCells(FluxCells::new(e.josephson, e.inductive, flux)?)
        }
        Model::Mixture(_) => {
            let expected = "1: a chip holds one mixture";
            return Err(Error::invalid("copies", copies, expected));
        }
        Model::Factors(e) => Model::Factors(e.repeated(copies)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Parametric;

    fn model_of(energy: &str) -> Result<Model> {
        let text = format!("version = 1\n[energy]\n{energy}\n[[digital]]\nsampler = \"ula\"\n");
        build_model(&Experiment::parse(&text, Path::new("dir/e.toml"))?, None)
    }

    fn message(energy: &str) -> String {
        model_of(energy).unwrap_err().to_string()
    }

    #[test]
    fn numbers_for_every_node_take_their_count_from_the_couplings() {
        let model = model_of("kind = \"soft_spin\"\ncouplings = [[0, 3, 0.5]]").unwrap();
        assert_eq!(model.dim(), 4);
        let words = "`energy.couplings[0]` = [0, 3, 0.5]: expected node indices below 2";
        let two = "kind = \"soft_spin\"\nfields = [0, 0]\ncouplings = [[0, 3, 0.5]]";
        assert_eq!(message(two), format!("dir/e.toml: {words}"));
    }

    #[test]
    fn copies_stand_side_by_side() {
        let two = model_of("kind = \"double_well\"\nbarrier = 2\ncopies = 3").unwrap();
        let energy = two.continuous().unwrap();
        assert_eq!(energy.dim(), 3);
        assert_eq!(energy.value(&[0.0, 1.0, 0.0]), 4.0);
        let ising = "kind = \"ising\"\nfields = [0.1, 0.2]\ncouplings = [[0, 1, 1.5]]\ncopies = 2";
        let Model::Ising(ising) = model_of(ising).unwrap() else {
            panic!()
        };
        assert_eq!(ising.couplings.edges(), [(0, 1), (2, 3)]);
        assert_eq!(ising.fields, [0.1, 0.2, 0.1, 0.2]);
        let pair = "kind = \"quadratic\"\nprecision = [[2, 1], [1, 2]]\ncopies = 2";
        let Model::Quadratic(pair) = model_of(pair).unwrap() else {
            panic!()
        };
        assert_eq!(
            (pair.precision()[(2, 3)], pair.precision()[(1, 2)]),
            (1.0, 0.0)
        );
    }

    #[test]
    fn spins_on_a_graph_are_drawn_from_the_seed() {
        let energy = "kind = \"ising\"\ngraph = \"open 20x20 Z1\"\ncoupling = 0.1\ncoupling_sigma = 0.5\nfield = -0.2";
        let Model::Ising(ising) = model_of(energy).unwrap() else {
            panic!()
        };
        assert_eq!(ising.fields, [-0.2; 400]);
        let values = ising.couplings.values();
        let Topology::Lattice(lattice) = Topology::parse("open 20x20 Z1").unwrap() else {
            panic!()
        };
        assert_eq!(ising.couplings.edges(), lattice.edges());
        // Five standard errors of a thousand normals each (false-alarm rate 6e-7).
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((mean - 0.1).abs() < 5.0 * 0.5 / n.sqrt(), "{mean}");
        assert!((sd / 0.5 - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "{sd}");
        assert_eq!(model_of(energy).unwrap(), model_of(energy).unwrap());
        let words = message("kind = \"ising\"\ngraph = \"all-to-all\"");
        assert!(
            words.contains("energy.graph") && words.contains("so many nodes"),
            "{words}"
        );
        let words = message("kind = \"ising\"\nfields = [0.0]\nfield_sigma = 1");
        assert!(words.contains("graph beside it"), "{words}");
    }

    #[test]
    fn what_training_wrote_can_be_loaded() {
        use npyz::WriterBuilder;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("parameters.npz");
        let mut archive = npyz::npz::NpzWriter::create(&path).unwrap();
        for (name, shape, values) in [
            ("fields", &[3][..], &[0.1, 0.2, 0.3][..]),
            ("edges", &[2, 2], &[0.0, 1.0, 1.0, 2.0]),
            ("couplings", &[2], &[0.5, -0.5]),
        ] {
            let array = archive.array(name, Default::default()).unwrap();
            let shape: Vec<u64> = shape.to_vec();
            let mut array = array.default_dtype().shape(&shape).begin_nd().unwrap();
            array.extend(values.iter().copied()).unwrap();
            array.finish().unwrap();
        }
        drop(archive);
        for source in [dir.path(), &path] {
            let energy = format!("kind = \"soft_spin\"\nj2 = 1\nparameters = {source:?}");
            let model = model_of(&energy).unwrap();
            assert_eq!(model.parameters().fields, [0.1, 0.2, 0.3]);
            assert_eq!(model.parameters().couplings, [0.5, -0.5]);
        }
        let words = message("kind = \"ising\"\nfields = [0.0]\nparameters = \"p.npz\"");
        assert!(words.contains("no fields beside it"), "{words}");
    }

    #[test]
    fn connect_decides_which_pairs_learn() {
        assert_eq!(coupled_pairs(2, 1, "visible-hidden"), [(0, 2), (1, 2)]);
        assert_eq!(coupled_pairs(1, 2, "all"), [(0, 1), (0, 2)]);
        assert_eq!(coupled_pairs(1, 2, "everything"), [(0, 1), (0, 2), (1, 2)]);
    }
}
