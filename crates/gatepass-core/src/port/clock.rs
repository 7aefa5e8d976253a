use crate::Timestamp;

/// Tells the time. The one place where wall-clock time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}
