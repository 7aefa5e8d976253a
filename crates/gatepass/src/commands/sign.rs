use clap::{Args, Subcommand};
use gatepass_sign::{sign_url, string_to_sign};
use serde_json::json;

use crate::client::{Target, object_path, required_key};
use crate::output;
use crate::policy_args::{DeletePolicy, GetPolicy, PolicyArgs, PutPolicy};

/// Make a signed URL, offline, with the API key of the environment.
#[derive(Debug, Subcommand)]
pub(crate) enum Sign {
    /// A URL for uploading to a path
    Put(SignArgs<PutPolicy>),
    /// A URL for reading a file
    Get(SignArgs<GetPolicy>),
    /// A URL for deleting a file
    Delete(SignArgs<DeletePolicy>),
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs<P: Args> {
    /// Path of the file, without a leading slash
    path: String,
    #[command(flatten)]
    policy: P,
    #[command(flatten)]
    target: Target,
}

impl Sign {
    pub(crate) fn run(&self, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Put(args) => args.sign(as_json),
            Self::Get(args) => args.sign(as_json),
            Self::Delete(args) => args.sign(as_json),
        }
    }
}

impl<P: Args + PolicyArgs> SignArgs<P> {
    fn sign(&self, as_json: bool) -> anyhow::Result<()> {
        let path = object_path(&self.path)?;
        let policy = self.policy.policy()?;
        let url = sign_url(&required_key()?, &self.target.public_url, &path, &policy);
        if as_json {
            output::json(&json!({
                "url": url,
                "method": policy.action,
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
