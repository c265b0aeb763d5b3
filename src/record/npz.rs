//! Named arrays in NumPy's `.npz` format.

use crate::error::{Error, Result};
use npyz::WriterBuilder;
use npyz::zip::{CompressionMethod, DateTime, ZipWriter, write::FileOptions};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// An array of any shape, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Single precision (what was read from a device).
    F32(Vec<u64>, Vec<f32>),
    /// Double precision.
    F64(Vec<u64>, Vec<f64>),
    /// Short ASCII words (units, names), one axis.
    Words(Vec<String>),
}

impl Array {
    /// Double precision from any numbers.
    pub fn f64(shape: &[usize], data: Vec<f64>) -> Self {
        Array::F64(shape.iter().map(|&n| n as u64).collect(), data)
    }

    /// Single precision.
    pub fn f32(shape: &[usize], data: Vec<f32>) -> Self {
        Array::F32(shape.iter().map(|&n| n as u64).collect(), data)
    }

    /// Sizes by axis.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Array::F32(shape, _) | Array::F64(shape, _) => {
                shape.iter().map(|&n| n as usize).collect()
            }
            Array::Words(words) => vec![words.len()],
        }
    }

    /// The values, widened.
    pub fn values(&self) -> Vec<f64> {
        match self {
            Array::F32(_, data) => data.iter().map(|&v| f64::from(v)).collect(),
            Array::F64(_, data) => data.clone(),
            Array::Words(_) => Vec::new(),
        }
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// One array as the bytes of an `.npy` file.
fn npy_bytes<T: npyz::AutoSerialize + Copy>(shape: &[u64], data: &[T]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(128 + size_of_val(data));
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(&mut bytes)
        .begin_nd()?;
    writer.extend(data.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
}

/// Byte strings of one length (`|S`), as the format lays them out: magic, version, header padded to 64 bytes, data.
fn npy_words(words: &[String]) -> Vec<u8> {
    let width = words.iter().map(String::len).max().unwrap_or(0).max(1);
    let mut header = format!(
        "{{'descr': '|S{width}', 'fortran_order': False, 'shape': ({},), }}",
        words.len()
    );
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    for word in words {
        bytes.extend(word.bytes());
        bytes.extend(std::iter::repeat_n(0, width - word.len()));
    }
    bytes
}

fn write_all(path: &Path, arrays: &[(&str, Array)]) -> io::Result<()> {
    let mut archive = ZipWriter::new(File::create(path)?);
    for (name, array) in arrays {
        // Readings are noise: compressing them costs more time than sampling them, for a tenth of their size.
        let (bytes, method) = match array {
            Array::F32(shape, data) => (npy_bytes(shape, data)?, CompressionMethod::Stored),
            Array::F64(shape, data) => (npy_bytes(shape, data)?, CompressionMethod::Deflated),
            Array::Words(words) => (npy_words(words), CompressionMethod::Deflated),
        };
        let options = FileOptions::default()
            .compression_method(method)
            // The same arrays give the same file, whenever they are written.
            .last_modified_time(DateTime::default())
            .large_file(bytes.len() as u64 > u64::from(u32::MAX));
        archive.start_file(npyz::npz::file_name_from_array_name(name), options)?;
        archive.write_all(&bytes)?;
    }
    archive.finish()?;
    Ok(())
}

/// Writes the arrays to `path`, through a temporary file beside it.
///
/// # Errors
/// What the operating system says.
pub fn write_npz(path: &Path, arrays: &[(&str, Array)]) -> Result<()> {
    let temporary = path.with_extension("npz.part");
    write_all(&temporary, arrays).map_err(io_error(path))?;
    std::fs::rename(&temporary, path).map_err(io_error(path))
}

/// Reads all arrays of `path`.
///
/// # Errors
/// A file that is missing or is not an archive of `f4` and `f8` arrays.
pub fn read_npz(path: &Path) -> Result<BTreeMap<String, Array>> {
    let file = File::open(path).map_err(io_error(path))?;
    let bad = |e: io::Error| Error::File {
        file: path.to_path_buf(),
        reason: format!("not an .npz archive of numbers ({e})"),
    };
    let mut archive = npyz::npz::NpzArchive::new(io::BufReader::new(file)).map_err(bad)?;
    let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    let mut arrays = BTreeMap::new();
    for name in names {
        let Some(array) = archive.by_name(&name).map_err(bad)? else {
            continue;
        };
        let shape = array.shape().to_vec();
        if array.dtype().descr().contains("|S") {
            continue;
        }
        let single = array.dtype().descr().contains("f4");
        let array = if single {
            Array::F32(shape, array.into_vec().map_err(bad)?)
        } else {
            Array::F64(shape, array.into_vec().map_err(bad)?)
        };
        arrays.insert(name, array);
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_as_they_went() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let x = Array::f32(&[2, 1, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.5]);
        let t = Array::f64(&[2], vec![1e-9, 2e-9]);
        write_npz(&path, &[("x", x.clone()), ("t", t.clone())]).unwrap();
        let back = read_npz(&path).unwrap();
        assert_eq!(back["x"], x);
        assert_eq!(back["t"], t);
        std::fs::write(&path, b"garbage").unwrap();
        assert!(
            read_npz(&path)
                .unwrap_err()
                .to_string()
                .contains("not an .npz")
        );
    }
}
