//! The control file: where the running desk listens to its coordinator, and the token that shows the
//! caller may.
//!
//! **Invariant:** only the user that runs the desk can read what is written here.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The file in the data folder that says where the running desk listens to commands.
pub const FILE_NAME: &str = "control.json";

/// The largest control file that is read.
const FILE_BYTES_MAX: u64 = 4_096;

/// Where the running desk listens to commands, and the token that shows the caller may.
#[derive(Clone, Debug)]
pub struct ControlFile {
    pub address: SocketAddr,
    pub token: SecretString,
}

/// A [`ControlFile`] as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    address: SocketAddr,
    token: String,
}

impl ControlFile {
    /// A new token for a desk that listens at `address`, written where only this user can read it.
    pub fn create(data: &Path, address: SocketAddr) -> std::io::Result<ControlFile> {
        let token = random_hex()?;
        let text = serde_json::to_string(&Written { address, token: token.clone() })?;
        let path = data.join(FILE_NAME);
        // A file left behind may be readable by others, so it is replaced, not written into.
        remove(&path)?;
        private_file(&path)?.write_all(text.as_bytes())?;
        Ok(ControlFile { address, token: SecretString::from(token) })
    }

    /// The file of a desk that may be running. `None` where there is none or it cannot be read.
    pub fn read(data: &Path) -> Option<ControlFile> {
        let mut text = String::new();
        let file = std::fs::File::open(data.join(FILE_NAME)).ok()?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        let written: Written = serde_json::from_str(&text).ok()?;
        Some(ControlFile { address: written.address, token: SecretString::from(written.token) })
    }

    /// Removes the file of a desk that ends.
    pub fn remove(data: &Path) {
        // Nothing depends on it: a file left behind leads to an address where nobody answers.
        remove(&data.join(FILE_NAME)).ok();
    }
}

/// 32 random hexadecimal digits from the operating system, for tokens and the ids of wishes.
pub fn random_hex() -> std::io::Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A new file that only this user can read. Fails where there is one.
pub fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
