//! Calls about people.

use hansard_proto::v1::{
    GetPeopleRequest, GetPeopleResponse, ListPeopleRequest, ListPeopleResponse, Person, ResolvePersonRequest,
    ResolvePersonResponse,
};

use crate::{Client, ClientError, RequestId, rooms::required};

impl Client {
    /// The people with these ids, at most 1,000; unknown ones are left out. None given: this person.
    pub async fn get_people(&self, ids: &[String]) -> Result<Vec<Person>, ClientError> {
        let request = GetPeopleRequest { ids: ids.to_vec() };
        let response: GetPeopleResponse = self.call("hansard.v1.PersonService/GetPeople", &request, None).await?;
        Ok(response.people)
    }

    /// The person with a subject; one who has never come gets an id now.
    pub async fn resolve_person(&self, subject: &str) -> Result<Person, ClientError> {
        self.person_called(subject, false).await
    }

    /// The person with a subject; one who has no id gets none, and is refused as `PERSON_UNKNOWN`.
    pub async fn find_person(&self, subject: &str) -> Result<Person, ClientError> {
        self.person_called(subject, true).await
    }

    async fn person_called(&self, subject: &str, only_known: bool) -> Result<Person, ClientError> {
        // The subject is the identity of this intent, and whoever is looked up for another shall not take that one's id.
        let request_id = RequestId::fresh().to_string();
        let request = ResolvePersonRequest { request_id, subject: subject.to_owned(), only_known };
        let response: ResolvePersonResponse =
            self.call("hansard.v1.PersonService/ResolvePerson", &request, Some(&request.request_id)).await?;
        required(response.person, "person")
    }

    /// A page of all people; `page_token` is empty for the first.
    pub async fn people(&self, page_size: i32, page_token: &str) -> Result<ListPeopleResponse, ClientError> {
        let request = ListPeopleRequest { page_size, page_token: page_token.to_owned() };
        self.call("hansard.v1.PersonService/ListPeople", &request, None).await
    }
}
