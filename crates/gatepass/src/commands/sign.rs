use clap::{Args, Subcommand};
use gatepass_sign::{Action, sign_url, string_to_sign};
use serde_json::json;

use crate::client::{PolicyArgs, Target, object_path, required_key};
use crate::output;

/// Make a signed URL, offline, with the API key of the environment.
#[derive(Debug, Subcommand)]
pub(crate) enum Sign {
    /// A URL for uploading to a path
    Put(SignArgs),
    /// A URL for reading a file
    Get(SignArgs),
    /// A URL for deleting a file
    Delete(SignArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// Path of the file, without a leading slash
    path: String,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    target: Target,
}

impl Sign {
    pub(crate) fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let (action, args) = match self {
            Self::Put(args) => (Action::Put, args),
            Self::Get(args) => (Action::Get, args),
            Self::Delete(args) => (Action::Delete, args),
        };
        let path = object_path(&args.path)?;
        let policy = args.policy.policy(action)?;
        let url = sign_url(&required_key()?, &args.target.public_url, &path, &policy);
        if as_json {
            output::json(&json!({
                "url": url,
                "method": action,
                "path": path.as_str(),
                "expiry": policy.expiry,
                "string_to_sign": string_to_sign(&path, &policy),
            }));
        } else {
            output::line(&url);
        }
        Ok(())
    }
}
