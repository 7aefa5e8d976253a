//! Names that are taken, in a store that refuses them.

use bytes::Bytes;
use futures_util::future::join_all;

use super::writing::{End, LARGE, settle, write_again};
use super::{Store, put};
use crate::builders::{blob_id, noise};

/// A name that is taken is refused, and what it names is not harmed by the attempt.
pub async fn a_name_is_written_once(store: Store) {
    let first = noise(7, LARGE);
    let blob = put(&store, &first).await;
    for second in [Bytes::new(), noise(8, 10), noise(9, LARGE)] {
        assert!(write_again(&store, &blob, &second, End::Commit).await.is_err());
        settle(&store, &blob, &first).await;
    }
}

/// Two writers of one name: at most one commits, and then its bytes are there and stay.
pub async fn of_two_writers_of_one_name_at_most_one_commits(store: Store) {
    for length in [10, LARGE] {
        let (blob, contents) = (blob_id(), [noise(10, length), noise(11, length)]);
        let writers =
            contents.iter().map(|content| write_again(&store, &blob, content, End::Commit));
        let results = join_all(writers).await;
        let won: Vec<_> = contents.iter().zip(&results).filter(|(_, r)| r.is_ok()).collect();
        assert!(won.len() < 2, "both writers of one name were told that it is theirs");
        for (content, _) in won {
            settle(&store, &blob, content).await;
        }
    }
}
