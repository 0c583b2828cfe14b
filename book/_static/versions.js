// The published versions, written into every one of them when a version is published (.ci/add-version); here there is one.
window.bookVersions = [];
