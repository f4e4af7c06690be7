"""ZUNA (Zyphra, 2026), both generations."""
