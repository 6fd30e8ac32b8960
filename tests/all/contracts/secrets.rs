//! The contract of secrets.

use domain::ports::{SecretName, Secrets};
use local::Settings;
use secrecy::ExposeSecret as _;

use super::second_process::{self, SecondProcess};
use crate::support::settings;

/// The model's key and the forge's token are set, the sandbox's id is empty and its secret is not set.
async fn contract(secrets: &dyn Secrets, model_key: &str, forge_token: &str) {
    let get = async |name| secrets.get(name).await.unwrap().map(|secret| secret.expose_secret().to_owned());
    assert_eq!(get(SecretName::ModelKey).await.as_deref(), Some(model_key));
    assert_eq!(get(SecretName::ForgeToken).await.as_deref(), Some(forge_token));
    assert_eq!(get(SecretName::SandboxTokenId).await, None, "an empty value is none");
    assert_eq!(get(SecretName::SandboxTokenSecret).await, None);
}

#[tokio::test]
async fn the_environment_fulfils_the_contract_of_secrets() {
    if second_process::directory().is_some() {
        // Of this process: the key from its environment, the token from the file in the program's directory.
        let secrets = Settings::read().unwrap().secrets;
        assert!(!format!("{secrets:?}").contains("of the process"), "{secrets:?}");
        return contract(&secrets, "key of the process", "token of the file").await;
    }
    let directory = tempfile::tempdir().unwrap();
    let values = [("ANTHROPIC_API_KEY", "the key"), ("GITHUB_TOKEN", "the token"), ("MODAL_TOKEN_ID", " ")];
    contract(&settings(directory.path(), &values).secrets, "the key", "the token").await;

    let file = "ANTHROPIC_API_KEY='key of the file'\nexport GITHUB_TOKEN=\"token of the file\"\nMODAL_TOKEN_ID=\n";
    std::fs::write(directory.path().join(".env"), file).unwrap();
    let environment =
        [("ANTHROPIC_API_KEY", "key of the process"), ("BACKSPACE_HOME", directory.path().to_str().unwrap())];
    let test = "contracts::secrets::the_environment_fulfils_the_contract_of_secrets";
    SecondProcess::start(test, directory.path(), &environment).expect_success();
}
