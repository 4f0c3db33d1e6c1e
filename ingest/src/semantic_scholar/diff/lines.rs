//! A file that is being read, line by line.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// The longest line that is read, in bytes; what is longer is cut off there, and is no record.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Bytes of lines that are held at once.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The most of a line that is passed over; what goes on for longer is no file of lines, however small it is packed.
const MAX_SKIPPED: u64 = 128 * 1024 * 1024;

/// A file, unpacked when it is gzip, and how far it is read.
pub(super) struct Open {
    name: String,
    line: u64,
    lines: Box<dyn BufRead + Send>,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}", self.name, self.line)
    }
}

impl Open {
    /// Opens a file, and passes over the lines that were read before.
    pub(super) fn at(path: &Path, name: &str, line: u64) -> io::Result<Self> {
        // Looked at once more: it may have become another since the folder was listed.
        if !path.symlink_metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file any more"));
        }
        let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
        let gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let mut lines: Box<dyn BufRead + Send> = if gzip {
            Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        for _ in 0..line {
            if skip_line(&mut lines)? == 0 {
                break;
            }
        }
        Ok(Self { name: name.to_owned(), line, lines })
    }

    /// Whether it is this file at this line.
    pub(super) fn is_at(&self, name: &str, line: u64) -> bool {
        self.name == name && self.line == line
    }

    /// The next lines, as many as are asked for unless they are long, and whether more may follow.
    pub(super) fn lines(&mut self, most: usize) -> io::Result<(Vec<Vec<u8>>, bool)> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < most && bytes < MAX_BYTES {
            let mut line = Vec::new();
            let read = self.lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                self.line += lines.len() as u64;
                return Ok((lines, false));
            }
            if read as u64 == MAX_LINE && line.last() != Some(&b'\n') {
                skip_line(&mut self.lines)?;
            }
            bytes += read as u64;
            lines.push(line);
        }
        self.line += lines.len() as u64;
        Ok((lines, true))
    }
}

/// Passes over the rest of a line; how many bytes that was.
fn skip_line(lines: &mut impl BufRead) -> io::Result<u64> {
    let mut rest = lines.take(MAX_SKIPPED);
    let skipped = rest.skip_until(b'\n')? as u64;
    if skipped == MAX_SKIPPED {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any record; it is damaged"));
    }
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(write: impl FnOnce(&mut dyn Write)) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file.reopen().unwrap(), flate2::Compression::fast());
        write(&mut encoder);
        encoder.finish().unwrap();
        file
    }

    fn lengths(file: &Path, line: u64) -> (Vec<usize>, bool) {
        let (lines, more) = Open::at(file, "f", line).unwrap().lines(1_000).unwrap();
        (lines.iter().map(Vec::len).collect(), more)
    }

    #[test]
    fn long_lines_come_a_few_at_a_time_and_what_is_too_long_is_cut_off() {
        let long = vec![b'x'; 10 * 1024 * 1024];
        let file = packed(|out| {
            for _ in 0..10 {
                out.write_all(&long).unwrap();
                out.write_all(b"\n").unwrap();
            }
            out.write_all(&long).unwrap();
            out.write_all(&long).unwrap();
            out.write_all(b"\nlast").unwrap();
        });
        let whole = long.len() + 1;
        assert_eq!(lengths(file.path(), 0), (vec![whole; 7], true));
        assert_eq!(lengths(file.path(), 7), (vec![whole, whole, whole, 16 * 1024 * 1024, 4], false));
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let nothing = vec![0; 1024 * 1024];
        let file = packed(|out| (0..200).for_each(|_| out.write_all(&nothing).unwrap()));
        let told = |line| Open::at(file.path(), "f", line).and_then(|mut open| open.lines(10).map(|_| ())).unwrap_err();
        for line in [0, 1] {
            assert_eq!(told(line).to_string(), "a line is longer than any record; it is damaged");
        }
    }
}
