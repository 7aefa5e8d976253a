//! Pages of long lists, found by counts.

/// Finds the item at a place in a list of which only the sizes of its groups are known: its group,
/// and how many items of that group come before it. `None` behind the end.
///
/// ```
/// use gatepass_core::page::locate;
///
/// let groups = [("a", 3), ("b", 2)];
/// assert_eq!(locate(groups, 0), Some(("a", 0)));
/// assert_eq!(locate(groups, 4), Some(("b", 1)));
/// assert_eq!(locate(groups, 5), None);
/// ```
pub fn locate<T>(groups: impl IntoIterator<Item = (T, u64)>, place: u64) -> Option<(T, u64)> {
    let mut skip = place;
    groups.into_iter().find_map(|(group, items)| {
        if skip < items {
            return Some((group, skip));
        }
        skip -= items;
        None
    })
}
