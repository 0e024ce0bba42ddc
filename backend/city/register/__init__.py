"""The register: what there is in the city, filled from the backend's series and from the operator's files."""
