// Shows who gets the letter as soon as a country is chosen. Without this script a button does it.
const region = document.querySelector("[data-recipients]");
const selects = document.querySelectorAll('select[name="country"]');

async function show(event) {
  const country = event.target.value;
  for (const select of selects) select.value = country;
  const url = new URL(region.dataset.recipients, location.href);
  url.searchParams.set("country", country);
  const answer = await fetch(url);
  if (answer.ok && event.target.value === country) region.innerHTML = await answer.text();
}

if (region) for (const select of selects) select.addEventListener("change", show);
