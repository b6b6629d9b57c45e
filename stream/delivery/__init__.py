"""Incidents and calls to where people already look: MQTT, webhooks, phones, commands; each behind a spool on disk."""
