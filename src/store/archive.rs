//! temporary stub
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct ArchiveError;
pub fn export(_: &super::Store, _: &mut impl std::io::Write) -> Result<(), ArchiveError> {
    Err(ArchiveError)
}
pub async fn import(_: &super::Store, _: impl std::io::BufRead) -> Result<(), ArchiveError> {
    Err(ArchiveError)
}
