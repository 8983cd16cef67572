//! Who one is to a registry: Docker's configuration, credential helpers included.

use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;

use crate::error::RegistryError;

/// Docker's own registry, and what its entry in the configuration is called.
const HUB: (&str, &str) = ("index.docker.io", "https://index.docker.io/v1/");

/// What Docker's configuration (`$DOCKER_CONFIG`, else `~/.docker/config.json`) says of a registry; nobody where it
/// says nothing.
pub(crate) fn find(registry: &str) -> Result<RegistryAuth, RegistryError> {
    let name = if registry == HUB.0 { HUB.1 } else { registry };
    let failed = |problem: String| RegistryError::Credentials { registry: registry.to_owned(), problem };
    match docker_credential::get_credential(name) {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(RegistryAuth::Basic(name, password)),
        // It would have to be exchanged for an access token, which the client does not do: given as it is, it would
        // go to the wrong place.
        Ok(DockerCredential::IdentityToken(_)) => Err(failed(
            "an identity token can't be used: log in with a password or an access token".to_owned(),
        )),
        Err(CredentialRetrievalError::ConfigNotFound | CredentialRetrievalError::NoCredentialConfigured) => {
            Ok(RegistryAuth::Anonymous)
        }
        // The library says the same of a file that is not there and of one that is no JSON.
        Err(CredentialRetrievalError::ConfigReadError) if !is_configured() => Ok(RegistryAuth::Anonymous),
        // What helpers print where they know nobody, by their protocol.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(RegistryAuth::Anonymous)
        }
        // Their output may hold anything, and is not shown.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(failed(format!("`{helper}` failed")))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Whether Docker's configuration is there.
fn is_configured() -> bool {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    folder.or_else(home).is_some_and(|folder| folder.join("config.json").exists())
}
