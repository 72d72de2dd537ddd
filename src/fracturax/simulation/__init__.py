"""Radiographs from CT: cone beam, rays, film, phantoms, and the pose of a film found again."""
