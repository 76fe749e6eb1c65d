use super::{S3Credentials, S3OpenError, S3Options, S3Store};

#[tokio::test]
async fn nonsense_is_refused_with_what_is_wrong() {
    let wrong = async |change: fn(&mut S3Options)| {
        let mut options = S3Options::new("bucket");
        options.region = Some("us-east-1".to_owned());
        change(&mut options);
        S3Store::open(options).await.map(|_| ()).unwrap_err()
    };
    for bucket in ["", "ab", "Bucket", "a..b", "-ab", "ab-", "a_b", "a/b"] {
        let mut options = S3Options::new(bucket);
        options.region = Some("us-east-1".to_owned());
        assert_eq!(S3Store::open(options).await.map(|_| ()).unwrap_err(), S3OpenError::Bucket(bucket.to_owned()));
    }
    assert!(matches!(wrong(|one| one.prefix = "a".to_owned()).await, S3OpenError::Prefix(_)));
    assert!(matches!(wrong(|one| one.prefix = "/".to_owned()).await, S3OpenError::Prefix(_)));
    assert!(matches!(wrong(|one| one.prefix = "a/../".to_owned()).await, S3OpenError::Prefix(_)));
    for endpoint in ["localhost:9000", "ftp://host", "http://", "http://host/path"] {
        let mut options = S3Options::new("bucket");
        options.endpoint = Some(endpoint.to_owned());
        assert_eq!(S3Store::open(options).await.map(|_| ()).unwrap_err(), S3OpenError::Endpoint(endpoint.to_owned()));
    }
    assert_eq!(wrong(|one| one.part_bytes = 1024).await, S3OpenError::PartBytes(1024));
}

#[test]
fn secrets_are_not_printed() {
    let one = S3Credentials {
        access_key: "name".to_owned(),
        secret_key: "hidden".to_owned(),
        session_token: Some("hidden".to_owned()),
    };
    let printed = format!("{one:?}");
    assert!(printed.contains("name") && !printed.contains("hidden"), "{printed}");
}
