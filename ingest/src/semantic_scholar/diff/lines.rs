//! A file that is being read, line by line.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// The longest line that is read, in bytes; what is longer is cut off there, and is no record.
const MAX_LINE: u64 = 16 * 1024 * 1024;

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
        let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
        let gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let mut lines: Box<dyn BufRead + Send> = if gzip {
            Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        for _ in 0..line {
            if lines.skip_until(b'\n')? == 0 {
                break;
            }
        }
        Ok(Self { name: name.to_owned(), line, lines })
    }

    /// Whether it is this file at this line.
    pub(super) fn is_at(&self, name: &str, line: u64) -> bool {
        self.name == name && self.line == line
    }

    /// The next lines, fewer at the end.
    pub(super) fn lines(&mut self, most: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::with_capacity(most);
        while lines.len() < most {
            let mut line = Vec::new();
            let read = self.lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if read as u64 == MAX_LINE && line.last() != Some(&b'\n') {
                self.lines.skip_until(b'\n')?;
            }
            lines.push(line);
        }
        self.line += lines.len() as u64;
        Ok(lines)
    }
}
