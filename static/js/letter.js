// Shows who gets the letter as soon as a country is chosen. Without this script a button does it.
const region = document.querySelector("[data-recipients]");
const selects = document.querySelectorAll('select[name="country"]');

function show(event) {
  const country = event.target.value;
  for (const select of selects) select.value = country;
  const url = new URL(region.dataset.recipients, location.href);
  url.searchParams.set("country", country);
  // Not fetch: this reads HTML into a document in which no script runs, and none is written as text.
  const asked = new XMLHttpRequest();
  asked.open("GET", url);
  asked.responseType = "document";
  asked.onload = () => {
    if (asked.status === 200 && event.target.value === country) region.replaceChildren(...asked.response.body.childNodes);
  };
  asked.send();
}

if (region) for (const select of selects) select.addEventListener("change", show);
