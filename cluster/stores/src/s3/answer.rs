//! What the service said, as what can be done about it.
use super::http::{NotSent, causes};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::error::Error;
use std::time::Duration;

/// Why a try did not do what it was to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// 412: the condition does not hold.
    Condition,
    /// 404: there is no such object.
    NoKey,
    /// 404: there is no such upload in parts; it was completed or given up.
    NoUpload,
    /// 416: the object ends before the range.
    Range,
    /// More came than was asked for, or than an object has.
    TooLong,
    /// Nothing was done, and it may work the next time.
    Refused(String),
    /// Nothing is known: it may have been done, may yet be, or may never.
    Doubt(String),
    /// The store has no room.
    Full,
    /// Nothing was done, and it will not work the next time. Says what to do.
    Hopeless(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Failed::Condition => "412: the condition does not hold",
            Failed::NoKey => "404: there is no such object",
            Failed::NoUpload => "404: there is no such upload",
            Failed::Range => "416: the object ends before the range",
            Failed::TooLong => "more came than was asked for",
            Failed::Full => "the store has no room",
            Failed::Refused(said) | Failed::Doubt(said) | Failed::Hopeless(said) => said,
        })
    }
}

/// No answer in time.
pub(crate) fn silence(after: Duration) -> Failed {
    Failed::Doubt(format!("no answer within {} ms", after.as_millis()))
}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> From<SdkError<E, HttpResponse>> for Failed {
    fn from(error: SdkError<E, HttpResponse>) -> Failed {
        if let SdkError::ServiceError(context) = &error {
            let (code, message) = (context.err().code(), context.err().message());
            if context.raw().status().is_success() {
                return judge_late(code.unwrap_or_default(), message.unwrap_or_default());
            }
            return judge(context.raw().status().as_u16(), code.unwrap_or_default(), message.unwrap_or_default());
        }
        let text = causes(&error);
        if is_caused_by::<CredentialsError>(&error) {
            return Failed::Hopeless(format!(
                "there are no credentials ({text}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the role of \
                 this machine"
            ));
        }
        match &error {
            SdkError::ConstructionFailure(_) => Failed::Hopeless(format!("the request cannot be made: {text}")),
            _ if is_caused_by::<NotSent>(&error) => {
                Failed::Refused(format!("it cannot be reached ({text}); look at the endpoint and the network"))
            }
            SdkError::ResponseError(context) => match context.raw().status().as_u16() {
                200..=299 => Failed::Doubt(text),
                // An answer without the words of S3: a proxy's.
                status => judge(status, "", &text),
            },
            _ => Failed::Doubt(text),
        }
    }
}

/// A no in an answer that began as a yes: that of an upload in parts, which is sent before the upload is an object.
fn judge_late(code: &str, message: &str) -> Failed {
    match code {
        "PreconditionFailed" => Failed::Condition,
        _ => Failed::Doubt(format!("200, and then {code}: {message}")),
    }
}

/// An answer that says no.
fn judge(status: u16, code: &str, message: &str) -> Failed {
    let said = || match (code, message) {
        ("", "") => format!("{status}"),
        ("", text) | (text, "") => format!("{status} {text}"),
        _ => format!("{status} {code}: {message}"),
    };
    match (status, code) {
        (412, _) => Failed::Condition,
        (416, _) => Failed::Range,
        (404, "NoSuchBucket") => Failed::Hopeless(format!("{}; make the bucket, or name another", said())),
        (404, "NoSuchUpload") => Failed::NoUpload,
        // Only the words of S3 say that there is no object; any other 404 is of whatever is between.
        (404, "NoSuchKey") => Failed::NoKey,
        (404, _) => Failed::Doubt(format!("{}: not what S3 says of an object that is not there", said())),
        (409, _) => Failed::Refused(format!("{}: another write of the key is on its way", said())),
        (429, _) | (503, "SlowDown" | "RequestLimitExceeded" | "Throttling" | "ThrottlingException") => {
            Failed::Refused(format!("{}: it is asked too often", said()))
        }
        (400, "RequestTimeout") => Failed::Refused(said()),
        (507, _) | (_, "XMinioStorageFull" | "QuotaExceeded" | "InsufficientStorage") => Failed::Full,
        (500..=599, "NotImplemented") | (501, _) => {
            Failed::Hopeless(format!("{}; this service does not do what is needed: use another", said()))
        }
        (500..=599, _) => Failed::Doubt(said()),
        (403, "RequestTimeTooSkewed") => Failed::Hopeless(format!("{}; set this machine's clock", said())),
        (400 | 403, "ExpiredToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken") => {
            Failed::Hopeless(format!("{}; look at the access key and its secret", said()))
        }
        (401 | 403, _) => Failed::Hopeless(format!(
            "{}; the access key has to be allowed s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and \
             s3:ListBucket",
            said()
        )),
        (301 | 307, _) | (400, "AuthorizationHeaderMalformed") => {
            Failed::Hopeless(format!("{}; look at the region and the endpoint", said()))
        }
        _ => Failed::Hopeless(said()),
    }
}

fn is_caused_by<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<T>() {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Failed, judge, judge_late};

    #[test]
    fn each_answer_says_what_became_of_the_request() {
        let kind = |failed: &Failed| match failed {
            Failed::Condition => "condition",
            Failed::NoKey => "no key",
            Failed::NoUpload => "no upload",
            Failed::Range => "range",
            Failed::TooLong => "too long",
            Failed::Refused(_) => "refused",
            Failed::Doubt(_) => "doubt",
            Failed::Full => "full",
            Failed::Hopeless(_) => "hopeless",
        };
        for (status, code, expected) in [
            (412, "PreconditionFailed", "condition"),
            (404, "NoSuchKey", "no key"),
            (404, "", "doubt"),
            (404, "NotFound", "doubt"),
            (404, "NoSuchBucket", "hopeless"),
            (404, "NoSuchUpload", "no upload"),
            (409, "ConditionalRequestConflict", "refused"),
            (416, "InvalidRange", "range"),
            (429, "", "refused"),
            (503, "SlowDown", "refused"),
            (503, "", "doubt"),
            (503, "ServiceUnavailable", "doubt"),
            (500, "InternalError", "doubt"),
            (502, "", "doubt"),
            (501, "NotImplemented", "hopeless"),
            (507, "", "full"),
            (403, "AccessDenied", "hopeless"),
            (400, "RequestTimeout", "refused"),
            (400, "InvalidArgument", "hopeless"),
            (301, "PermanentRedirect", "hopeless"),
        ] {
            assert_eq!(kind(&judge(status, code, "")), expected, "{status} {code}");
        }
        assert_eq!(kind(&judge_late("PreconditionFailed", "")), "condition");
        assert_eq!(kind(&judge_late("InternalError", "")), "doubt");
        let Failed::Hopeless(text) = judge(403, "AccessDenied", "Access Denied") else { panic!() };
        assert!(text.contains("403 AccessDenied: Access Denied") && text.contains("s3:PutObject"), "{text}");
    }
}
